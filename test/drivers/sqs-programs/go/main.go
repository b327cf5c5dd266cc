// What an unmodified agent does with the AWS SDK for Go 2: everything it needs is in the environment.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

var ctx = context.Background()

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func tell(step string, what map[string]any) {
	what["step"] = step
	fmt.Println(string(must(json.Marshal(what))))
}

func code[T any](_ T, err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return "done"
}

func sortedNames(message types.Message) []string {
	names := []string{}
	for name := range message.MessageAttributes {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func main() {
	client := sqs.NewFromConfig(must(config.LoadDefaultConfig(ctx)))
	url := func(name string) *string {
		return must(client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})).QueueUrl
	}
	receive := func(queue string, attributes string) types.Message {
		out := must(client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url(queue), MessageAttributeNames: []string{attributes}, WaitTimeSeconds: 1}))
		return out.Messages[0]
	}
	tasks := url("tasks")
	attributes := map[string]types.MessageAttributeValue{
		"kind": {DataType: aws.String("String"), StringValue: aws.String("é")},
		"blob": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255}},
	}
	must(client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: tasks, MessageBody: aws.String("<a> & \"b\"\r\n€"), MessageAttributes: attributes}))
	message := receive("tasks", "All")
	blob := []int{}
	for _, each := range message.MessageAttributes["blob"].BinaryValue {
		blob = append(blob, int(each))
	}
	tell("received", map[string]any{"body": *message.Body, "blob": blob})
	must(client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: tasks, ReceiptHandle: message.ReceiptHandle}))
	must(client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: tasks, MessageBody: aws.String("filtered"), MessageAttributes: attributes}))
	some := receive("tasks", "blob")
	tell("filtered", map[string]any{"attributes": sortedNames(some)})
	must(client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: tasks, ReceiptHandle: some.ReceiptHandle}))
	masked := receive("payments", "All")
	tell("masked", map[string]any{"body": json.RawMessage(*masked.Body), "attributes": sortedNames(masked)})
	batch := must(client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: tasks, Entries: []types.SendMessageBatchRequestEntry{
		{Id: aws.String("a"), MessageBody: aws.String("one")},
		{Id: aws.String("b"), MessageBody: aws.String("two"), MessageAttributes: attributes},
	}}))
	done := []string{}
	for _, each := range batch.Successful {
		done = append(done, *each.Id)
	}
	sort.Strings(done)
	tell("batch", map[string]any{"successful": done})
	pending := must(client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: url("corrections"), Entries: []types.SendMessageBatchRequestEntry{
		{Id: aws.String("c"), MessageBody: &os.Args[1]},
		{Id: aws.String("d"), MessageBody: aws.String(`{"a":1,"a":2}`)},
	}}))
	failed := [][]string{}
	for _, each := range pending.Failed {
		failed = append(failed, []string{*each.Id, *each.Code})
	}
	sort.Slice(failed, func(i, j int) bool { return failed[i][0] < failed[j][0] })
	tell("pending", map[string]any{"failed": failed})
	fifo := url("tasks.fifo")
	must(client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: fifo, MessageBody: aws.String("in order"), MessageGroupId: aws.String("g"), MessageDeduplicationId: &os.Args[1]}))
	next := receive("tasks.fifo", "All")
	tell("fifo", map[string]any{"body": *next.Body, "deleted": code(client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: fifo, ReceiptHandle: next.ReceiptHandle}))})
	salaries := strings.Replace(*tasks, "tasks", "salaries", 1)
	tell("unlisted", map[string]any{"code": code(client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &salaries, MessageBody: aws.String("x")}))})
	tell("purge", map[string]any{"code": code(client.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: tasks}))})
}
