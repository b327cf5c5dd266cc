import { encode } from '../../planes/http/envoy/protos.ts'
import type { Hands, Part } from './grpc-middleman.ts'

/** One way in which a processor goes wrong. */
export interface Fault {
  readonly name: string
  readonly act: (hands: Hands) => void
  /** The processor sees the message and its answer goes on: what it allowed may go up. */
  readonly answers: boolean
  /** Nothing is wrong for the exchange in hand. */
  readonly harmless?: true
}

export const PARTS: readonly Part[] = ['request_headers', 'request_body', 'response_headers', 'response_body']

const RESPONSE = 'envoy.service.ext_proc.v3.ProcessingResponse'
const SKIP_ALL = {
  request_header_mode: 'SKIP',
  request_body_mode: 'NONE',
  response_header_mode: 'SKIP',
  response_body_mode: 'NONE',
}

function goOn(part: Part): Buffer {
  return encode(RESPONSE, { [part]: { response: { status: 'CONTINUE' } } })
}

/** Protobuf messages that follow one another are one message of all their fields. */
function skippingTheRest(answer: Buffer): Buffer {
  return Buffer.concat([answer, encode(RESPONSE, { mode_override: SKIP_ALL })])
}

const GARBAGE = Buffer.alloc(64, 0xff)

export const FAULTS: readonly Fault[] = [
  { name: 'stream reset', act: (hands) => hands.reset(), answers: false },
  { name: 'killed', act: (hands) => hands.breakConnection(), answers: false },
  { name: 'stalled', act: () => undefined, answers: false },
  { name: 'clean close before its answer', act: (hands) => hands.end(0), answers: false },
  {
    name: 'clean close after its answer',
    act: (hands) => {
      hands.afterAnswer(() => hands.end(0))
      hands.forward()
    },
    answers: true,
  },
  { name: 'trailers only, status 0', act: (hands) => hands.endAtOnce(0), answers: false },
  { name: 'error status', act: (hands) => hands.end(13), answers: false },
  {
    name: 'GOAWAY, goes on',
    act: (hands) => {
      hands.goAway()
      hands.forward()
    },
    answers: true,
    harmless: true,
  },
  {
    name: 'GOAWAY, then killed',
    act: (hands) => {
      hands.goAway()
      hands.breakConnection()
    },
    answers: false,
  },
  { name: 'garbage', act: (hands) => hands.reply(GARBAGE), answers: false },
  { name: 'empty message', act: (hands) => hands.reply(Buffer.alloc(0)), answers: false },
  {
    name: 'answer to another phase',
    act: (hands) => hands.reply(goOn(PARTS[(PARTS.indexOf(hands.part) + 1) % PARTS.length] ?? 'request_body')),
    answers: false,
  },
  { name: 'phase skipped (bare CONTINUE)', act: (hands) => hands.reply(goOn(hands.part)), answers: false },
  {
    name: 'asks to skip what follows',
    act: (hands) => {
      hands.changeAnswer(skippingTheRest)
      hands.forward()
    },
    answers: true,
    harmless: true,
  },
]
