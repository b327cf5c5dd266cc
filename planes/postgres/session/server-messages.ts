import type { Denial } from '../enforcer/denial.ts'
import { encodeBackend } from '../codec/backend-encoder.ts'
import type { BackendMessage, ErrorFields } from '../codec/backend-messages.ts'
import { Writer } from '../codec/writer.ts'

/** One message as the server would send it. */
export function encoded(message: BackendMessage): Buffer {
  const writer = new Writer(256)
  encodeBackend(writer, message)
  return writer.take()
}

/** An ErrorResponse of the gateway's own. S, V, C and M are always there; the rest where it helps. */
export function errorResponse(denial: Denial): Buffer {
  const fields = new Map([
    ['S', denial.severity],
    ['V', denial.severity],
    ['C', denial.code],
    ['M', denial.message],
  ])
  if (denial.detail !== undefined) fields.set('D', denial.detail)
  if (denial.hint !== undefined) fields.set('H', denial.hint)
  if (denial.position !== undefined) fields.set('P', String(denial.position))
  if (denial.routine !== undefined) fields.set('R', denial.routine)
  return encoded({ kind: 'errorResponse', fields })
}

/** A NoticeResponse of the gateway's own; legal at any time between messages. */
export function noticeResponse(message: string, hint: string): Buffer {
  const fields = new Map([
    ['S', 'NOTICE'],
    ['V', 'NOTICE'],
    ['C', '00000'],
    ['M', message],
    ['H', hint],
  ])
  return encoded({ kind: 'noticeResponse', fields })
}

/**
 * The server's error or notice about a statement that touches labelled tables: its texts print values (22P02 the cast
 * one, 23505 the key), so only severity, SQLSTATE and position are passed on.
 */
export function withheld(kind: 'errorResponse' | 'noticeResponse', fields: ErrorFields): Buffer {
  const kept = new Map([...fields].filter(([code]) => code === 'S' || code === 'V' || code === 'C' || code === 'P'))
  kept.set('M', 'the server’s message is withheld, because this statement touches masked data')
  return encoded({ kind, fields: kept })
}
