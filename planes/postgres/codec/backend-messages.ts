import { ProtocolError } from '../../../engine/index.ts'
import { type CancelKey, type Format, format } from './frontend-messages.ts'
import { BACKEND, typeLabel } from './message-types.ts'
import { BodyReader } from './reader.ts'

/** `I` outside a transaction, `T` in one, `E` in a failed one. */
export type TransactionStatus = 'I' | 'T' | 'E'

/** One column of a RowDescription. */
export interface FieldDescription {
  readonly name: string
  /** 0 where the column is no plain column of a table. */
  readonly tableOid: number
  /** pg_attribute.attnum; 0 as above, below 0 for system columns. */
  readonly attnum: number
  readonly typeOid: number
  readonly typeSize: number
  readonly typeModifier: number
  readonly format: Format
}

/** Field codes of errors and notices (S, V, C, M, D, H, P, …) and their texts. */
export type ErrorFields = ReadonlyMap<string, string>

export type AuthenticationMessage =
  | { readonly kind: 'authenticationOk' }
  | { readonly kind: 'authenticationCleartextPassword' }
  | { readonly kind: 'authenticationMD5Password'; readonly salt: Buffer }
  | { readonly kind: 'authenticationSASL'; readonly mechanisms: readonly string[] }
  | { readonly kind: 'authenticationSASLContinue'; readonly step: Buffer }
  | { readonly kind: 'authenticationSASLFinal'; readonly step: Buffer }
  /** Kerberos, GSSAPI, SSPI and what may be invented: nothing that the gateway speaks. */
  | { readonly kind: 'authenticationOther'; readonly method: number; readonly rest: Buffer }

/** CopyInResponse, CopyOutResponse, CopyBothResponse. */
export interface CopyResponse {
  readonly kind: 'copyInResponse' | 'copyOutResponse' | 'copyBothResponse'
  readonly format: Format
  readonly columnFormats: readonly Format[]
}

export type BackendMessage =
  | AuthenticationMessage
  | CopyResponse
  | { readonly kind: 'parameterStatus'; readonly name: string; readonly value: string }
  | ({ readonly kind: 'backendKeyData' } & CancelKey)
  | { readonly kind: 'readyForQuery'; readonly status: TransactionStatus }
  | { readonly kind: 'rowDescription'; readonly fields: readonly FieldDescription[] }
  | { readonly kind: 'parameterDescription'; readonly types: readonly number[] }
  /** Views into the frame. Where rows come in numbers, walk them with RowFields instead. */
  | { readonly kind: 'dataRow'; readonly values: readonly (Buffer | null)[] }
  | { readonly kind: 'commandComplete'; readonly tag: string }
  | { readonly kind: 'errorResponse'; readonly fields: ErrorFields }
  | { readonly kind: 'noticeResponse'; readonly fields: ErrorFields }
  | { readonly kind: 'notificationResponse'; readonly pid: number; readonly channel: string; readonly payload: string }
  /** `version`: the newest that the server speaks, as in a startup message. `options`: those it doesn't know. */
  | { readonly kind: 'negotiateProtocolVersion'; readonly version: number; readonly options: readonly string[] }
  | { readonly kind: 'functionCallResponse'; readonly value: Buffer | null }
  | { readonly kind: 'copyData'; readonly data: Buffer }
  | { readonly kind: 'copyDone' }
  | { readonly kind: 'emptyQueryResponse' }
  | { readonly kind: 'noData' }
  | { readonly kind: 'parseComplete' }
  | { readonly kind: 'bindComplete' }
  | { readonly kind: 'closeComplete' }
  | { readonly kind: 'portalSuspended' }

/** Reads the body of a frame from a server. Throws ProtocolError. */
export function decodeBackend(type: number, buffer: Buffer, bodyStart: number, end: number): BackendMessage {
  const decoder = DECODERS.get(type)
  if (decoder === undefined) {
    throw new ProtocolError('ERR_PROTOCOL_FRAME_TYPE', `a server sends no message of type ${typeLabel(type)}`)
  }
  const reader = new BodyReader(buffer, bodyStart, end, decoder.name)
  const message = decoder.read(reader)
  reader.finish()
  return message
}

interface Decoder {
  readonly name: string
  readonly read: (reader: BodyReader) => BackendMessage
}

const DECODERS: ReadonlyMap<number, Decoder> = new Map<number, Decoder>([
  [BACKEND.authentication, { name: 'Authentication', read: readAuthentication }],
  [
    BACKEND.parameterStatus,
    { name: 'ParameterStatus', read: (r) => ({ kind: 'parameterStatus', name: r.cstring(), value: r.cstring() }) },
  ],
  [BACKEND.backendKeyData, { name: 'BackendKeyData', read: readKey }],
  [BACKEND.readyForQuery, { name: 'ReadyForQuery', read: (r) => ({ kind: 'readyForQuery', status: readStatus(r) }) }],
  [
    BACKEND.rowDescription,
    {
      name: 'RowDescription',
      read: (r) => ({ kind: 'rowDescription', fields: r.list(r.uint16(), 19, () => readField(r)) }),
    },
  ],
  [
    BACKEND.parameterDescription,
    {
      name: 'ParameterDescription',
      read: (r) => ({ kind: 'parameterDescription', types: r.list(r.uint16(), 4, () => r.uint32()) }),
    },
  ],
  [
    BACKEND.dataRow,
    { name: 'DataRow', read: (r) => ({ kind: 'dataRow', values: r.list(r.uint16(), 4, () => r.value()) }) },
  ],
  [BACKEND.commandComplete, { name: 'CommandComplete', read: (r) => ({ kind: 'commandComplete', tag: r.cstring() }) }],
  [BACKEND.errorResponse, { name: 'ErrorResponse', read: (r) => ({ kind: 'errorResponse', fields: readFields(r) }) }],
  [
    BACKEND.noticeResponse,
    { name: 'NoticeResponse', read: (r) => ({ kind: 'noticeResponse', fields: readFields(r) }) },
  ],
  [
    BACKEND.notificationResponse,
    {
      name: 'NotificationResponse',
      read: (r) => ({ kind: 'notificationResponse', pid: r.int32(), channel: r.cstring(), payload: r.cstring() }),
    },
  ],
  [
    BACKEND.negotiateProtocolVersion,
    {
      name: 'NegotiateProtocolVersion',
      read: (r) => ({
        kind: 'negotiateProtocolVersion',
        version: r.int32(),
        options: r.list(r.int32(), 1, () => r.cstring()),
      }),
    },
  ],
  [BACKEND.copyInResponse, { name: 'CopyInResponse', read: (r) => readCopy(r, 'copyInResponse') }],
  [BACKEND.copyOutResponse, { name: 'CopyOutResponse', read: (r) => readCopy(r, 'copyOutResponse') }],
  [BACKEND.copyBothResponse, { name: 'CopyBothResponse', read: (r) => readCopy(r, 'copyBothResponse') }],
  [
    BACKEND.functionCallResponse,
    { name: 'FunctionCallResponse', read: (r) => ({ kind: 'functionCallResponse', value: r.value() }) },
  ],
  [BACKEND.copyData, { name: 'CopyData', read: (r) => ({ kind: 'copyData', data: r.rest() }) }],
  [BACKEND.copyDone, { name: 'CopyDone', read: () => ({ kind: 'copyDone' }) }],
  [BACKEND.emptyQueryResponse, { name: 'EmptyQueryResponse', read: () => ({ kind: 'emptyQueryResponse' }) }],
  [BACKEND.noData, { name: 'NoData', read: () => ({ kind: 'noData' }) }],
  [BACKEND.parseComplete, { name: 'ParseComplete', read: () => ({ kind: 'parseComplete' }) }],
  [BACKEND.bindComplete, { name: 'BindComplete', read: () => ({ kind: 'bindComplete' }) }],
  [BACKEND.closeComplete, { name: 'CloseComplete', read: () => ({ kind: 'closeComplete' }) }],
  [BACKEND.portalSuspended, { name: 'PortalSuspended', read: () => ({ kind: 'portalSuspended' }) }],
])

function readAuthentication(reader: BodyReader): AuthenticationMessage {
  const method = reader.int32()
  switch (method) {
    case 0:
      return { kind: 'authenticationOk' }
    case 3:
      return { kind: 'authenticationCleartextPassword' }
    case 5:
      return { kind: 'authenticationMD5Password', salt: reader.bytes(4) }
    case 10:
      return { kind: 'authenticationSASL', mechanisms: [...untilEmpty(reader)] }
    case 11:
      return { kind: 'authenticationSASLContinue', step: reader.rest() }
    case 12:
      return { kind: 'authenticationSASLFinal', step: reader.rest() }
    default:
      return { kind: 'authenticationOther', method, rest: reader.rest() }
  }
}

function* untilEmpty(reader: BodyReader): Generator<string> {
  for (let text = reader.cstring(); text !== ''; text = reader.cstring()) yield text
}

function readKey(reader: BodyReader): BackendMessage {
  const pid = reader.int32()
  const secret = reader.rest()
  if (secret.length < 4 || secret.length > 256) throw reader.invalid(`a key has 4 to 256 bytes, not ${secret.length}`)
  return { kind: 'backendKeyData', pid, secret }
}

function readStatus(reader: BodyReader): TransactionStatus {
  const code = reader.uint8()
  if (code === 0x49) return 'I'
  if (code === 0x54) return 'T'
  if (code === 0x45) return 'E'
  throw reader.invalid(`'I', 'T' or 'E' is expected, ${typeLabel(code)} was found`)
}

function readField(reader: BodyReader): FieldDescription {
  return {
    name: reader.cstring(),
    tableOid: reader.uint32(),
    attnum: reader.int16(),
    typeOid: reader.uint32(),
    typeSize: reader.int16(),
    typeModifier: reader.int32(),
    format: format(reader),
  }
}

function readFields(reader: BodyReader): ErrorFields {
  const fields = new Map<string, string>()
  for (let code = reader.uint8(); code !== 0; code = reader.uint8()) {
    fields.set(String.fromCharCode(code), reader.lenientCstring())
  }
  return fields
}

function readCopy(reader: BodyReader, kind: CopyResponse['kind']): CopyResponse {
  const overall = reader.uint8()
  if (overall !== 0 && overall !== 1) throw reader.invalid(`format 0 or 1 is expected, ${overall} was found`)
  return { kind, format: overall, columnFormats: reader.list(reader.uint16(), 2, () => format(reader)) }
}
