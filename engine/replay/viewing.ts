import type { Entry } from './entry.ts'
import { objectOf, textOf, type JsonObject } from './json.ts'

/** Somebody looked at the session, or took it away with an export. */
export interface Viewing {
  readonly event: string
  readonly at: string
  readonly by: string
  readonly reason: string | null
  readonly record: string
}

/** A session, as far as an export's query can tell it from others. */
export interface Viewed {
  readonly session: string
  readonly agent: string | null
  /** Milliseconds since 1970. */
  readonly from: number
  readonly to: number
}

export function viewingOf({ fields }: Pick<Entry, 'fields'>): Viewing {
  const detail = objectOf(fields['detail'])
  return {
    event: textOf(fields['event']) ?? '',
    at: textOf(fields['ts']) ?? '',
    by: textOf(detail['by']) ?? textOf(objectOf(fields['principal'])['id']) ?? 'unknown',
    reason: textOf(detail['reason']),
    record: textOf(fields['id']) ?? '',
  }
}

/** Whether a record tells that somebody saw this session: looked at it, or exported what it is, or may be, part of. */
export function views({ fields }: Pick<Entry, 'fields'>, viewed: Viewed): boolean {
  const detail = objectOf(fields['detail'])
  if (fields['event'] === 'replay.viewed') return detail['session'] === viewed.session
  if (fields['event'] !== 'evidence.exported') return false
  return covers(objectOf(detail['query'] ?? detail['tail']), viewed)
}

/** A query narrows by what it names; one by control is taken to cover the session, whose decisions may name it. */
function covers({ session, agent, from, to }: JsonObject, viewed: Viewed): boolean {
  if (typeof session === 'string' && session !== viewed.session) return false
  if (typeof agent === 'string' && viewed.agent !== null && agent !== viewed.agent) return false
  const [begin, end] = [momentOf(from, -Infinity), momentOf(to, Infinity)]
  return begin <= viewed.to && viewed.from < end
}

function momentOf(value: JsonObject[string] | undefined, otherwise: number): number {
  const moment = typeof value === 'string' ? Date.parse(value) : typeof value === 'number' ? value : Number.NaN
  return Number.isNaN(moment) ? otherwise : moment
}
