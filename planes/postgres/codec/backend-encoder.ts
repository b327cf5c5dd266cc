import type { AuthenticationMessage, BackendMessage, CopyResponse, FieldDescription } from './backend-messages.ts'
import { BACKEND } from './message-types.ts'
import type { Writer } from './writer.ts'

/** Writes one frame. Throws ProtocolError where a text holds a NUL. */
export function encodeBackend(writer: Writer, message: BackendMessage): void {
  writer.begin(typeOf(message.kind))
  writeBody(writer, message)
  writer.end()
}

function typeOf(kind: BackendMessage['kind']): number {
  return isAuthentication(kind) ? BACKEND.authentication : BACKEND[kind]
}

function isAuthentication(kind: BackendMessage['kind']): kind is AuthenticationMessage['kind'] {
  return kind.startsWith('authentication')
}

function writeBody(writer: Writer, message: BackendMessage): void {
  switch (message.kind) {
    case 'authenticationOk':
      writer.int32(0)
      break
    case 'authenticationCleartextPassword':
      writer.int32(3)
      break
    case 'authenticationMD5Password':
      writer.int32(5).bytes(message.salt)
      break
    case 'authenticationSASL':
      writer.int32(10)
      for (const mechanism of message.mechanisms) writer.cstring(mechanism)
      writer.uint8(0)
      break
    case 'authenticationSASLContinue':
      writer.int32(11).bytes(message.step)
      break
    case 'authenticationSASLFinal':
      writer.int32(12).bytes(message.step)
      break
    case 'authenticationOther':
      writer.int32(message.method).bytes(message.rest)
      break
    case 'parameterStatus':
      writer.cstring(message.name).cstring(message.value)
      break
    case 'backendKeyData':
      writer.int32(message.pid).bytes(message.secret)
      break
    case 'readyForQuery':
      writer.uint8(message.status.charCodeAt(0))
      break
    case 'rowDescription':
      writer.uint16(message.fields.length)
      for (const field of message.fields) writeField(writer, field)
      break
    case 'parameterDescription':
      writer.uint16(message.types.length)
      for (const oid of message.types) writer.uint32(oid)
      break
    case 'dataRow':
      writer.uint16(message.values.length)
      for (const value of message.values) writer.value(value)
      break
    case 'commandComplete':
      writer.cstring(message.tag)
      break
    case 'errorResponse':
    case 'noticeResponse':
      for (const [code, text] of message.fields) writer.uint8(code.charCodeAt(0)).cstring(text)
      writer.uint8(0)
      break
    case 'notificationResponse':
      writer.int32(message.pid).cstring(message.channel).cstring(message.payload)
      break
    case 'negotiateProtocolVersion':
      writer.int32(message.version).int32(message.options.length)
      for (const option of message.options) writer.cstring(option)
      break
    case 'functionCallResponse':
      writer.value(message.value)
      break
    case 'copyInResponse':
    case 'copyOutResponse':
    case 'copyBothResponse':
      writeCopy(writer, message)
      break
    case 'copyData':
      writer.bytes(message.data)
      break
    case 'copyDone':
    case 'emptyQueryResponse':
    case 'noData':
    case 'parseComplete':
    case 'bindComplete':
    case 'closeComplete':
    case 'portalSuspended':
  }
}

function writeField(writer: Writer, field: FieldDescription): void {
  writer
    .cstring(field.name)
    .uint32(field.tableOid)
    .int16(field.attnum)
    .uint32(field.typeOid)
    .int16(field.typeSize)
    .int32(field.typeModifier)
    .int16(field.format)
}

function writeCopy(writer: Writer, message: CopyResponse): void {
  writer.uint8(message.format).uint16(message.columnFormats.length)
  for (const code of message.columnFormats) writer.int16(code)
}
