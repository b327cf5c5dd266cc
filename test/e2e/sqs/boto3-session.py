"""What an unmodified agent does with boto3: everything it needs is in the environment. Prints one JSON line a step."""
import json
import sys

import boto3
import botocore
from botocore.exceptions import ClientError


def tell(step, **what):
    print(json.dumps({"step": step, **what}), flush=True)


def refused(call, **arguments):
    try:
        return {"answer": call(**arguments)}
    except ClientError as error:
        told = error.response["Error"]
        return {"code": told["Code"], "status": error.response["ResponseMetadata"]["HTTPStatusCode"]}


sqs = boto3.client("sqs")
tell("version", botocore=botocore.__version__)
url = lambda name: sqs.get_queue_url(QueueName=name)["QueueUrl"]
tell("identity", arn=boto3.client("sts").get_caller_identity()["Arn"])
tell("url", url=url("tasks"))
attributes = {
    "kind": {"DataType": "String", "StringValue": "é\r\n"},
    "count": {"DataType": "Number", "StringValue": "7"},
    "blob": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
}
sent = sqs.send_message(QueueUrl=url("tasks"), MessageBody='<a> & "b"\r\n€', MessageAttributes=attributes)
tell("sent", md5=sent["MD5OfMessageBody"], attributes=sent["MD5OfMessageAttributes"])
message = sqs.receive_message(QueueUrl=url("tasks"), MessageAttributeNames=["All"], AttributeNames=["All"])["Messages"][0]
tell(
    "received",
    body=message["Body"],
    kind=message["MessageAttributes"]["kind"]["StringValue"],
    blob=list(message["MessageAttributes"]["blob"]["BinaryValue"]),
    count=message["Attributes"]["ApproximateReceiveCount"],
)
sqs.change_message_visibility(QueueUrl=url("tasks"), ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=60)
sqs.delete_message(QueueUrl=url("tasks"), ReceiptHandle=message["ReceiptHandle"])
sqs.send_message(QueueUrl=url("tasks"), MessageBody="filtered", MessageAttributes=attributes)
some = sqs.receive_message(QueueUrl=url("tasks"), MessageAttributeNames=["blob"])["Messages"][0]
tell("filtered", attributes=sorted(some["MessageAttributes"]))
sqs.delete_message(QueueUrl=url("tasks"), ReceiptHandle=some["ReceiptHandle"])
masked = sqs.receive_message(QueueUrl=url("payments"), MessageAttributeNames=["All"])["Messages"][0]
tell("masked", body=json.loads(masked["Body"]), attributes=sorted(masked.get("MessageAttributes", {})))
batch = sqs.send_message_batch(
    QueueUrl=url("tasks"),
    Entries=[{"Id": "a", "MessageBody": "one"}, {"Id": "b", "MessageBody": "two", "MessageAttributes": attributes}],
)
tell("batch", successful=sorted(each["Id"] for each in batch["Successful"]))
pending = sqs.send_message_batch(
    QueueUrl=url("corrections"), Entries=[{"Id": "c", "MessageBody": sys.argv[1]}, {"Id": "d", "MessageBody": '{"a":1,"a":2}'}]
)
tell("pending", failed=sorted([each["Id"], each["Code"]] for each in pending["Failed"]))
tell("unlisted", **refused(sqs.send_message, QueueUrl=url("tasks").replace("tasks", "salaries"), MessageBody="x"))
tell("purge", **refused(sqs.purge_queue, QueueUrl=url("tasks")))
tell("missing", **refused(sqs.receive_message, QueueUrl="https://example.com/000000000000/tasks"))
fifo = url("tasks.fifo")
sqs.send_message(QueueUrl=fifo, MessageBody="in order", MessageGroupId="g", MessageDeduplicationId="".join(filter(str.isalnum, sys.argv[1])))
following = sqs.receive_message(QueueUrl=fifo, WaitTimeSeconds=1)["Messages"][0]
sqs.delete_message(QueueUrl=fifo, ReceiptHandle=following["ReceiptHandle"])
tell("fifo", body=following["Body"], deleted="done")
