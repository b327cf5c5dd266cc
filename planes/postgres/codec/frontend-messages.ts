import { ProtocolError } from '../../../engine/index.ts'
import { FRONTEND, typeLabel } from './message-types.ts'
import { BodyReader } from './reader.ts'
import type { Writer } from './writer.ts'

/** Format codes: 0 text, 1 binary. */
export type Format = 0 | 1

/** Protocol 3.0; a minor version is added to it. */
export const PROTOCOL_3_0 = 196_608
const CANCEL_REQUEST = 80_877_102
const SSL_REQUEST = 80_877_103
const GSSENC_REQUEST = 80_877_104
/** A cancel key has 4 bytes in protocol 3.0, 4 to 256 in 3.2. */
const MAX_CANCEL_KEY = 256

export interface CancelKey {
  readonly pid: number
  readonly secret: Buffer
}

/** What may come before the protocol's version is agreed; none has a type byte. */
export type StartupMessage =
  | { readonly kind: 'startup'; readonly minor: number; readonly parameters: ReadonlyMap<string, string> }
  | { readonly kind: 'sslRequest' }
  | { readonly kind: 'gssEncRequest' }
  | ({ readonly kind: 'cancelRequest' } & CancelKey)

export type Target = 'statement' | 'portal'

export interface BindMessage {
  readonly kind: 'bind'
  readonly portal: string
  readonly statement: string
  /** None (all text), one for all, or one for each parameter. */
  readonly formats: readonly Format[]
  /** Views into the frame. */
  readonly parameters: readonly (Buffer | null)[]
  /** None (all text), one for all, or one for each column of the result. */
  readonly resultFormats: readonly Format[]
}

export type FrontendMessage =
  | { readonly kind: 'query'; readonly sql: string }
  | { readonly kind: 'parse'; readonly name: string; readonly sql: string; readonly parameterTypes: readonly number[] }
  | BindMessage
  | { readonly kind: 'describe'; readonly target: Target; readonly name: string }
  /** `maxRows` 0 or less: all. */
  | { readonly kind: 'execute'; readonly portal: string; readonly maxRows: number }
  | { readonly kind: 'close'; readonly target: Target; readonly name: string }
  | { readonly kind: 'flush' }
  | { readonly kind: 'sync' }
  | { readonly kind: 'terminate' }
  /** A password, a SASLInitialResponse or a SASLResponse: which one, only the authentication step knows. A view. */
  | { readonly kind: 'password'; readonly body: Buffer }
  | { readonly kind: 'copyData'; readonly data: Buffer }
  | { readonly kind: 'copyDone' }
  | { readonly kind: 'copyFail'; readonly reason: string }
  /** Arguments are left undecoded: the gateway refuses every one of these. */
  | { readonly kind: 'functionCall'; readonly functionOid: number; readonly rest: Buffer }

/** Reads a frame of the startup phase. Throws ProtocolError. */
export function decodeStartup(buffer: Buffer, bodyStart: number, end: number): StartupMessage {
  const reader = new BodyReader(buffer, bodyStart, end, 'startup')
  const code = reader.int32()
  switch (code) {
    case SSL_REQUEST:
      reader.finish()
      return { kind: 'sslRequest' }
    case GSSENC_REQUEST:
      reader.finish()
      return { kind: 'gssEncRequest' }
    case CANCEL_REQUEST:
      return { kind: 'cancelRequest', pid: reader.int32(), secret: cancelSecret(reader) }
    default:
      return decodeVersion3(code, reader)
  }
}

function cancelSecret(reader: BodyReader): Buffer {
  const secret = reader.rest()
  if (secret.length < 4 || secret.length > MAX_CANCEL_KEY) {
    throw reader.invalid(`a cancel key has 4 to ${MAX_CANCEL_KEY} bytes, not ${secret.length}`)
  }
  return secret
}

function decodeVersion3(code: number, reader: BodyReader): StartupMessage {
  const major = code >>> 16
  if (major !== 3) {
    throw new ProtocolError(
      'ERR_PROTOCOL_STARTUP',
      `protocol version 3 is expected, ${major}.${code & 0xffff} was asked for`,
    )
  }
  const parameters = new Map<string, string>()
  for (let name = reader.cstring(); name !== ''; name = reader.cstring()) {
    // The server would let the last one win. No driver sends two, so whoever does wants us to judge the other one.
    if (parameters.has(name)) throw new ProtocolError('ERR_PROTOCOL_STARTUP', 'a startup parameter is given twice')
    parameters.set(name, reader.cstring())
  }
  reader.finish()
  return { kind: 'startup', minor: code & 0xffff, parameters }
}

/** Reads the body of a typed frame. Throws ProtocolError. */
export function decodeFrontend(type: number, buffer: Buffer, bodyStart: number, end: number): FrontendMessage {
  const decoder = DECODERS.get(type)
  if (decoder === undefined) {
    throw new ProtocolError('ERR_PROTOCOL_FRAME_TYPE', `a client sends no message of type ${typeLabel(type)}`)
  }
  const reader = new BodyReader(buffer, bodyStart, end, decoder.name)
  const message = decoder.read(reader)
  reader.finish()
  return message
}

interface Decoder {
  readonly name: string
  readonly read: (reader: BodyReader) => FrontendMessage
}

const DECODERS: ReadonlyMap<number, Decoder> = new Map<number, Decoder>([
  [FRONTEND.query, { name: 'Query', read: (r) => ({ kind: 'query', sql: r.cstring() }) }],
  [
    FRONTEND.parse,
    {
      name: 'Parse',
      read: (r) => ({
        kind: 'parse',
        name: r.cstring(),
        sql: r.cstring(),
        parameterTypes: r.list(r.uint16(), 4, () => r.uint32()),
      }),
    },
  ],
  [FRONTEND.bind, { name: 'Bind', read: readBind }],
  [FRONTEND.describe, { name: 'Describe', read: (r) => ({ kind: 'describe', target: target(r), name: r.cstring() }) }],
  [FRONTEND.execute, { name: 'Execute', read: (r) => ({ kind: 'execute', portal: r.cstring(), maxRows: r.int32() }) }],
  [FRONTEND.close, { name: 'Close', read: (r) => ({ kind: 'close', target: target(r), name: r.cstring() }) }],
  [FRONTEND.flush, { name: 'Flush', read: () => ({ kind: 'flush' }) }],
  [FRONTEND.sync, { name: 'Sync', read: () => ({ kind: 'sync' }) }],
  [FRONTEND.terminate, { name: 'Terminate', read: () => ({ kind: 'terminate' }) }],
  [FRONTEND.password, { name: 'Password', read: (r) => ({ kind: 'password', body: r.rest() }) }],
  [FRONTEND.copyData, { name: 'CopyData', read: (r) => ({ kind: 'copyData', data: r.rest() }) }],
  [FRONTEND.copyDone, { name: 'CopyDone', read: () => ({ kind: 'copyDone' }) }],
  [FRONTEND.copyFail, { name: 'CopyFail', read: (r) => ({ kind: 'copyFail', reason: r.cstring() }) }],
  [
    FRONTEND.functionCall,
    { name: 'FunctionCall', read: (r) => ({ kind: 'functionCall', functionOid: r.uint32(), rest: r.rest() }) },
  ],
])

function readBind(reader: BodyReader): BindMessage {
  const portal = reader.cstring()
  const statement = reader.cstring()
  const formats = readFormats(reader)
  const parameters = reader.list(reader.uint16(), 4, () => reader.value())
  if (formats.length > 1 && formats.length !== parameters.length) {
    throw reader.invalid(`${formats.length} formats for ${parameters.length} parameters`)
  }
  return { kind: 'bind', portal, statement, formats, parameters, resultFormats: readFormats(reader) }
}

function readFormats(reader: BodyReader): Format[] {
  return reader.list(reader.uint16(), 2, () => format(reader))
}

/** One format code. Throws ProtocolError on anything but text and binary. */
export function format(reader: BodyReader): Format {
  const code = reader.int16()
  if (code !== 0 && code !== 1) throw reader.invalid(`format code 0 or 1 is expected, ${code} was found`)
  return code
}

function target(reader: BodyReader): Target {
  const code = reader.uint8()
  if (code === 0x53) return 'statement'
  if (code === 0x50) return 'portal'
  throw reader.invalid(`'S' or 'P' is expected, ${typeLabel(code)} was found`)
}

/** The format of one item, by the rule that both lists in Bind follow. */
export function formatAt(formats: readonly Format[], index: number): Format {
  return (formats.length === 1 ? formats[0] : formats[index]) ?? 0
}

/** The password in a PasswordMessage. Throws ProtocolError; the text is never part of the error. */
export function decodePassword(body: Buffer): string {
  const reader = new BodyReader(body, 0, body.length, 'Password')
  const password = reader.cstring()
  reader.finish()
  return password
}

/** A SASLInitialResponse; `response` is null where the client waits for the server to begin. */
export function decodeSaslInitial(body: Buffer): { readonly mechanism: string; readonly response: Buffer | null } {
  const reader = new BodyReader(body, 0, body.length, 'SASLInitialResponse')
  const mechanism = reader.cstring()
  const response = reader.value()
  reader.finish()
  return { mechanism, response }
}

/** Writes one frame of the startup phase. */
export function encodeStartup(writer: Writer, message: StartupMessage): void {
  writer.begin(0)
  switch (message.kind) {
    case 'sslRequest':
      writer.int32(SSL_REQUEST)
      break
    case 'gssEncRequest':
      writer.int32(GSSENC_REQUEST)
      break
    case 'cancelRequest':
      writer.int32(CANCEL_REQUEST).int32(message.pid).bytes(message.secret)
      break
    case 'startup':
      writer.int32(PROTOCOL_3_0 + message.minor)
      for (const [name, value] of message.parameters) writer.cstring(name).cstring(value)
      writer.uint8(0)
  }
  writer.end()
}

/** Writes one frame. Throws ProtocolError where a text holds a NUL. */
export function encodeFrontend(writer: Writer, message: FrontendMessage): void {
  writer.begin(FRONTEND[message.kind])
  writeBody(writer, message)
  writer.end()
}

function writeBody(writer: Writer, message: FrontendMessage): void {
  switch (message.kind) {
    case 'query':
      writer.cstring(message.sql)
      break
    case 'parse':
      writer.cstring(message.name).cstring(message.sql).uint16(message.parameterTypes.length)
      for (const oid of message.parameterTypes) writer.uint32(oid)
      break
    case 'bind':
      writer.cstring(message.portal).cstring(message.statement)
      writeFormats(writer, message.formats)
      writer.uint16(message.parameters.length)
      for (const parameter of message.parameters) writer.value(parameter)
      writeFormats(writer, message.resultFormats)
      break
    case 'describe':
    case 'close':
      writer.uint8(message.target === 'statement' ? 0x53 : 0x50).cstring(message.name)
      break
    case 'execute':
      writer.cstring(message.portal).int32(message.maxRows)
      break
    case 'password':
      writer.bytes(message.body)
      break
    case 'copyData':
      writer.bytes(message.data)
      break
    case 'copyFail':
      writer.cstring(message.reason)
      break
    case 'functionCall':
      writer.uint32(message.functionOid).bytes(message.rest)
      break
    case 'flush':
    case 'sync':
    case 'terminate':
    case 'copyDone':
  }
}

function writeFormats(writer: Writer, formats: readonly Format[]): void {
  writer.uint16(formats.length)
  for (const code of formats) writer.int16(code)
}

/** The body of a PasswordMessage. */
export function passwordBody(password: string): Buffer {
  return Buffer.from(`${password}\0`)
}

/** The body of a SASLInitialResponse. */
export function saslInitialBody(mechanism: string, response: Buffer): Buffer {
  const head = Buffer.from(`${mechanism}\0....`)
  head.writeInt32BE(response.length, head.length - 4)
  return Buffer.concat([head, response])
}
