import type { BackendMessage, CopyResponse, ErrorFields, FieldDescription } from './backend-messages.ts'
import type { FrontendMessage } from './frontend-messages.ts'

/** In the place of what a trace doesn't tell. */
export const UNTOLD = '…'

/**
 * A client's message as libpq's PQtrace prints it, without the time: `F`, the length field, the name, its fields. Values that
 * the client sends are left out, as is its SQL, in whose place stands `sql`.
 */
export function traceFrontend(message: FrontendMessage, length: number, sql: string): string {
  return `F\t${length}\t${frontend(message, sql)}`
}

/** A message to the client, likewise, with every value: only for what the client itself gets to see. */
export function traceBackend(message: BackendMessage, length: number): string {
  return `B\t${length}\t${backend(message)}`
}

function frontend(message: FrontendMessage, sql: string): string {
  switch (message.kind) {
    case 'query':
      return `Query\t ${text(sql)}`
    case 'parse':
      return `Parse\t${list([text(message.name), text(sql), message.parameterTypes.length, ...message.parameterTypes])}`
    case 'bind': {
      const { portal, statement, formats, parameters, resultFormats } = message
      const values = parameters.flatMap((value) => (value === null ? [-1] : [value.length, untold()]))
      const rest = [formats.length, ...formats, parameters.length, ...values, resultFormats.length, ...resultFormats]
      return `Bind\t${list([text(portal), text(statement), ...rest])}`
    }
    case 'describe':
      return `Describe\t${list([message.target === 'statement' ? 'S' : 'P', text(message.name)])}`
    case 'close':
      return `Close\t${list([message.target === 'statement' ? 'S' : 'P', text(message.name)])}`
    case 'execute':
      return `Execute\t${list([text(message.portal), message.maxRows])}`
    case 'copyData':
      return `CopyData\t ${untold()}`
    case 'copyFail':
      return `CopyFail\t ${text(UNTOLD)}`
    case 'functionCall':
      return `FunctionCall\t${list([message.functionOid, untold()])}`
    case 'password':
      return `PasswordMessage\t ${text(UNTOLD)}`
    case 'copyDone':
      return 'CopyDone'
    case 'flush':
      return 'Flush'
    case 'sync':
      return 'Sync'
    case 'terminate':
      return 'Terminate'
  }
}

function backend(message: BackendMessage): string {
  switch (message.kind) {
    case 'rowDescription':
      return `RowDescription\t${list([message.fields.length, ...message.fields.flatMap(field)])}`
    case 'dataRow': {
      const cells = message.values.flatMap((value) => (value === null ? [-1] : [value.length, bytes(value)]))
      return `DataRow\t${list([message.values.length, ...cells])}`
    }
    case 'parameterDescription':
      return `ParameterDescription\t${list([message.types.length, ...message.types])}`
    case 'commandComplete':
      return `CommandComplete\t ${text(message.tag)}`
    case 'readyForQuery':
      return `ReadyForQuery\t ${message.status}`
    case 'errorResponse':
      return `ErrorResponse\t${fields(message.fields)}`
    case 'noticeResponse':
      return `NoticeResponse\t${fields(message.fields)}`
    case 'parameterStatus':
      return `ParameterStatus\t${list([text(message.name), text(message.value)])}`
    case 'notificationResponse':
      return `NotificationResponse\t${list([message.pid, text(message.channel), text(message.payload)])}`
    case 'copyData':
      return `CopyData\t ${bytes(message.data)}`
    case 'copyInResponse':
    case 'copyOutResponse':
    case 'copyBothResponse':
      return copyResponse(message)
    case 'functionCallResponse':
      return `FunctionCallResponse\t${list(message.value === null ? [-1] : [message.value.length, bytes(message.value)])}`
    case 'backendKeyData':
      return `BackendKeyData\t${list([message.pid, untold()])}`
    case 'negotiateProtocolVersion': {
      const { version, options } = message
      return `NegotiateProtocolVersion\t${list([version, options.length, ...options.map(text)])}`
    }
    case 'authenticationOk':
    case 'authenticationCleartextPassword':
    case 'authenticationMD5Password':
    case 'authenticationSASL':
    case 'authenticationSASLContinue':
    case 'authenticationSASLFinal':
    case 'authenticationOther':
    case 'copyDone':
    case 'emptyQueryResponse':
    case 'noData':
    case 'parseComplete':
    case 'bindComplete':
    case 'closeComplete':
    case 'portalSuspended':
      return `${message.kind.charAt(0).toUpperCase()}${message.kind.slice(1)}`
  }
}

function field({ name, tableOid, attnum, typeOid, typeSize, typeModifier, format }: FieldDescription): unknown[] {
  // PQtrace prints 16 bits without a sign, 32 with one.
  return [text(name), tableOid | 0, attnum & 0xffff, typeOid | 0, typeSize & 0xffff, typeModifier, format]
}

function fields(all: ErrorFields): string {
  return list([...[...all].flatMap(([code, value]) => [code, text(value)]), '\\x00'])
}

function copyResponse({ kind, format, columnFormats }: CopyResponse): string {
  const name = `${kind.charAt(0).toUpperCase()}${kind.slice(1)}`
  return `${name}\t${list([`\\x0${format}`, columnFormats.length, ...columnFormats])}`
}

/** Fields, each behind a blank. */
function list(items: readonly unknown[]): string {
  return items.map((item) => ` ${String(item)}`).join('')
}

/** PQtrace prints a text as it is; here nothing in it may begin a line of its own. */
function text(value: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  return `"${value.replaceAll(/[\x00-\x1f\x7f]/g, (character) => hex(character.charCodeAt(0)))}"`
}

function bytes(value: Buffer): string {
  return `'${value.toString('latin1').replaceAll(/[^ -~]/g, (character) => hex(character.charCodeAt(0)))}'`
}

function untold(): string {
  return `'${UNTOLD}'`
}

function hex(code: number): string {
  return `\\x${code.toString(16).padStart(2, '0')}`
}
