import type { Answer, Cell } from './answer.ts'
import type { Hold } from './hold.ts'
import type { Step } from './step.ts'

/** What a replay is searched for: how a statement was decided, and how it ended where that isn't simply well. */
export type Tag = 'rejected' | 'masked' | 'held' | 'approved' | 'failed' | 'in doubt'

export const TAGS: readonly Tag[] = ['rejected', 'masked', 'held', 'approved', 'failed', 'in doubt']

export function tagsOf({ verdict, hold, outcome }: Step): readonly Tag[] {
  const tags: Tag[] = []
  if (verdict === 'reject') tags.push('rejected')
  if (verdict === 'mask') tags.push('masked')
  if (hold !== null || verdict === 'hold') tags.push('held')
  if (hold?.state === 'used' || hold?.state === 'granted') tags.push('approved')
  if (outcome?.status === 'failed') tags.push('failed')
  if (isInDoubt(verdict, outcome)) tags.push('in doubt')
  return tags
}

function isInDoubt(verdict: Step['verdict'], outcome: Step['outcome']): boolean {
  return outcome?.status === 'unknown' || (outcome === null && (verdict === 'forward' || verdict === 'mask'))
}

export const VERDICTS: Readonly<Record<Step['verdict'], string>> = {
  forward: 'forwarded',
  mask: 'masked',
  hold: 'held',
  reject: 'rejected',
}

/** What came of a statement, in a sentence's worth of words. */
export function outcomeOf({ verdict, outcome, answer, unit, cameBack }: Step): string {
  if (verdict === 'reject') return cameBack ? `the client got a note in its place` : 'nothing reached the server'
  if (verdict === 'hold') return 'nobody has answered; nothing reached the server'
  if (outcome === null) return 'no outcome is recorded: in doubt'
  if (outcome.status === 'unknown') return 'nobody knows whether it took effect: in doubt'
  if (outcome.status === 'failed')
    return `the server refused it (${visible(outcome.error ?? answer?.error ?? 'no code')})`
  if (outcome.rows === null) return 'done'
  const rows = `${outcome.rows} ${unit}${outcome.rows === 1 ? '' : 's'}`
  const end = answer === null ? null : answer.end
  return end === null ? rows : `${rows} (${visible(end)})`
}

/** How a hold stands. */
export function holdState({ state, quorum, answers }: Hold): string {
  const yes = answers.filter(({ answer }) => answer === 'approve').length
  const states: Readonly<Record<Hold['state'], string>> = {
    requested: `waits, ${yes} of ${quorum} so far`,
    granted: 'approved, not used',
    used: 'approved, and used once',
    denied: 'denied',
    expired: 'expired',
    withdrawn: 'withdrawn by the client',
  }
  return states[state]
}

/** How much of an answer is shown, where it isn't all of it; else null. */
export function keptOf({ kept, rows, count, erased }: Answer): string | null {
  if (erased.length > 0) return 'rows erased by retention'
  if (kept === 'digest' && count === null) return 'rows too large to keep: the log has their digest'
  if (kept === 'digest') return `of ${count} rows none kept, their digest is`
  if (kept === 'sample') return `the first ${rows.length} of ${count ?? 0} rows kept, the digest is over all`
  return kept === null ? 'the recording breaks off here' : null
}

/** What a request writes, or a message holds, a line each: masked where labelled. */
export function writtenLines({ written }: Step): readonly string[] {
  return written.map(({ part, values }) => {
    const told = values === null ? 'what only the server could tell' : values.map((each) => each ?? 'NULL').join(', ')
    return `${visible(part)} = ${visible(told)}`
  })
}

/** The lines of an answer without columns: a COPY's, each piece as it was sent. */
export function copiedLines({ rows }: Answer): readonly string[] {
  return rows.flatMap((row) => row.flatMap((cell) => copiedText(cell)))
}

function copiedText(cell: Cell): readonly string[] {
  return cell.kind === 'text' ? visibleLines(cell.text.replace(/\r?\n$/, '')) : [cellText(cell)]
}

/** A value as text; NULL and bytes have no text of their own. */
export function cellText(cell: Cell): string {
  switch (cell.kind) {
    case 'null':
      return 'NULL'
    case 'binary':
      return `base64 ${cell.base64}`
    case 'text':
      return visible(cell.text)
  }
}

/** Control and format characters (cursor, colours, right-to-left overrides, zero widths) as their code points. */
export function visible(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`)
}

/** The same for a statement, whose line ends and tabs are its own. */
export function visibleLines(text: string): readonly string[] {
  return text.replaceAll('\t', '  ').split(/\r?\n/).map(visible)
}

/** 412 µs, 3.4 ms, 2.1 s, 3 min 20 s. */
export function duration(microseconds: number): string {
  if (microseconds < 1000) return `${microseconds} µs`
  const ms = microseconds / 1000
  if (ms < 1000) return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`
  const seconds = ms / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 60
    ? `${minutes} min ${Math.floor(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** `+00:02.274` from the session's start. */
export function offset(ms: number): string {
  const total = Math.max(0, Math.round(ms))
  const hours = Math.floor(total / 3_600_000)
  const minutes = Math.floor(total / 60_000) % 60
  const rest = ((total % 60_000) / 1000).toFixed(3).padStart(6, '0')
  return `+${hours > 0 ? `${hours}:` : ''}${String(minutes).padStart(2, '0')}:${rest}`
}

/** 2026-11-25 18:03:59.076 UTC, of RFC 3339. */
export function utc(ts: string): string {
  return `${ts.replace('T', ' ').replace('Z', '')} UTC`
}

/** `rule: message` of each reason. */
export function reasonLines({ reasons }: Step): readonly string[] {
  return reasons.map(({ rule, message }) => `${visible(rule)}: ${visible(message)}`)
}
