import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.sqs.SqsClient;
import software.amazon.awssdk.services.sqs.model.*;

/** What an unmodified agent does with the AWS SDK for Java 2: everything it needs is in the environment. */
public final class Session {
  private static final SqsClient SQS = SqsClient.create();

  public static void main(String[] args) {
    String tasks = url("tasks");
    Map<String, MessageAttributeValue> attributes = Map.of(
        "kind", MessageAttributeValue.builder().dataType("String").stringValue("é").build(),
        "blob", MessageAttributeValue.builder().dataType("Binary").binaryValue(SdkBytes.fromByteArray(new byte[] {0, -1})).build());
    SQS.sendMessage(b -> b.queueUrl(tasks).messageBody("<a> & \"b\"\r\n€").messageAttributes(attributes));
    Message message = receive("tasks");
    byte[] blob = message.messageAttributes().get("blob").binaryValue().asByteArray();
    tell("received", "\"body\":" + quoted(message.body()) + ",\"blob\":[" + (blob[0] & 255) + "," + (blob[1] & 255) + "]");
    SQS.deleteMessage(b -> b.queueUrl(tasks).receiptHandle(message.receiptHandle()));
    SQS.sendMessage(b -> b.queueUrl(tasks).messageBody("filtered").messageAttributes(attributes));
    Message some = receive("tasks", "blob");
    tell("filtered", "\"attributes\":" + list(new TreeSet<>(some.messageAttributes().keySet())));
    SQS.deleteMessage(b -> b.queueUrl(tasks).receiptHandle(some.receiptHandle()));
    Message masked = receive("payments");
    tell("masked", "\"body\":" + masked.body() + ",\"attributes\":" + list(new TreeSet<>(masked.messageAttributes().keySet())));
    SendMessageBatchResponse batch = SQS.sendMessageBatch(b -> b.queueUrl(tasks).entries(
        entry("a", "one").build(), entry("b", "two").messageAttributes(attributes).build()));
    tell("batch", "\"successful\":" + list(new TreeSet<>(batch.successful().stream().map(SendMessageBatchResultEntry::id).toList())));
    String corrections = url("corrections");
    SendMessageBatchResponse pending = SQS.sendMessageBatch(b -> b.queueUrl(corrections).entries(
        entry("c", args[0]).build(), entry("d", "{\"a\":1,\"a\":2}").build()));
    List<String> failed = pending.failed().stream().map(f -> "[" + quoted(f.id()) + "," + quoted(f.code()) + "]").sorted().toList();
    tell("pending", "\"failed\":[" + String.join(",", failed) + "]");
    String fifo = url("tasks.fifo");
    SQS.sendMessage(b -> b.queueUrl(fifo).messageBody("in order").messageGroupId("g").messageDeduplicationId(args[0].replaceAll("\\W", "")));
    Message next = receive("tasks.fifo");
    String deleted = code(() -> SQS.deleteMessage(b -> b.queueUrl(fifo).receiptHandle(next.receiptHandle())));
    tell("fifo", "\"body\":" + quoted(next.body()) + ",\"deleted\":" + quoted(deleted));
    String salaries = tasks.replace("tasks", "salaries");
    tell("unlisted", "\"code\":" + quoted(code(() -> SQS.sendMessage(b -> b.queueUrl(salaries).messageBody("x")))));
    tell("purge", "\"code\":" + quoted(code(() -> SQS.purgeQueue(b -> b.queueUrl(tasks)))));
  }

  private static String url(String name) {
    return SQS.getQueueUrl(b -> b.queueName(name)).queueUrl();
  }

  private static Message receive(String queue) {
    return receive(queue, "All");
  }

  private static Message receive(String queue, String attributes) {
    String url = url(queue);
    return SQS.receiveMessage(b -> b.queueUrl(url).messageAttributeNames(attributes).waitTimeSeconds(1)).messages().get(0);
  }

  private static SendMessageBatchRequestEntry.Builder entry(String id, String body) {
    return SendMessageBatchRequestEntry.builder().id(id).messageBody(body);
  }

  private static String code(Runnable call) {
    try {
      call.run();
      return "done";
    } catch (AwsServiceException refused) {
      return refused.awsErrorDetails().errorCode();
    }
  }

  private static void tell(String step, String members) {
    System.out.println("{\"step\":" + quoted(step) + "," + members + "}");
  }

  private static String list(Iterable<String> names) {
    StringBuilder out = new StringBuilder();
    for (String name : names) out.append(out.isEmpty() ? "" : ",").append(quoted(name));
    return "[" + out + "]";
  }

  private static String quoted(String text) {
    return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\r", "\\r").replace("\n", "\\n") + "\"";
  }
}
