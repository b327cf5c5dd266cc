import { describe, expect, test } from 'vitest'
import { readForm } from '../../../planes/sqs/codec/query-form.ts'
import { queryAnswer, readQueryCall } from '../../../planes/sqs/codec/query-protocol.ts'

const call = (form: string): unknown => readQueryCall(readForm(Buffer.from(form))).input

describe('the Query protocol', () => {
  test('is read into the members of the JSON protocol', () => {
    const form = [
      'Action=SendMessageBatch&Version=2012-11-05&QueueUrl=tasks',
      'SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=x+y%26z',
      'SendMessageBatchRequestEntry.1.DelaySeconds=5',
      'SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=n',
      'SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType=String',
      'SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue=%E2%82%AC',
    ].join('&')
    expect(call(form)).toEqual({
      QueueUrl: 'tasks',
      Entries: [
        {
          Id: 'a',
          MessageBody: 'x y&z',
          DelaySeconds: 5,
          MessageAttributes: { n: { DataType: 'String', StringValue: '€' } },
        },
      ],
    })
    expect(
      call(
        'Action=CreateQueue&QueueName=q&Attribute.1.Name=FifoQueue&Attribute.1.Value=true&Tag.1.Key=k&Tag.1.Value=v',
      ),
    ).toEqual({
      QueueName: 'q',
      Attributes: { FifoQueue: 'true' },
      tags: { k: 'v' },
    })
    expect(call('Action=ReceiveMessage&QueueUrl=q&AttributeName=')).toEqual({ QueueUrl: 'q', AttributeNames: [] })
  })

  test.each([
    ['a field twice', 'Action=ListQueues&QueueNamePrefix=a&QueueNamePrefix=b'],
    ['a field twice, once escaped', 'Action=ListQueues&QueueNamePrefix=a&QueueNamePrefi%78=b'],
    ['a stranger', 'Action=ListQueues&Surprise=1'],
    ['a gap in the numbers', 'Action=UntagQueue&QueueUrl=q&TagKey.1=a&TagKey.3=b'],
    ['two maps’ entries of one key', 'Action=TagQueue&QueueUrl=q&Tag.1.Key=k&Tag.1.Value=a&Tag.2.Key=k&Tag.2.Value=b'],
    ['a text with children', 'Action=ListQueues&QueueNamePrefix=a&QueueNamePrefix.1=b'],
    ['a number that is none', 'Action=ListQueues&MaxResults=1e3'],
    ['a broken escape', 'Action=ListQueues&QueueNamePrefix=%E2%82'],
    ['another version', 'Action=ListQueues&Version=2009-02-01'],
    ['__proto__', 'Action=ListQueues&__proto__=x'],
    ['an action that every object has', 'Action=constructor'],
  ])('refuses %s', (_what, form) => {
    expect(() => call(form)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^ERR_(PROTOCOL|NORMALIZE)_/) }),
    )
  })

  test('writes what a parser reads back as it was: escapes, carriage returns, flat lists', () => {
    const result = { Messages: [{ MessageId: 'm', Body: '<a>\r\n&"', Attributes: { SentTimestamp: '1' } }] }
    expect(queryAnswer('ReceiveMessage', result, 'r').body).toBe(
      '<?xml version="1.0"?><ReceiveMessageResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><ReceiveMessageResult>' +
        '<Message><MessageId>m</MessageId><Body>&lt;a&gt;&#xD;\n&amp;&quot;</Body><Attribute><Name>SentTimestamp</Name>' +
        '<Value>1</Value></Attribute></Message></ReceiveMessageResult>' +
        '<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></ReceiveMessageResponse>',
    )
  })
})
