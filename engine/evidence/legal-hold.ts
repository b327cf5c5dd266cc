import type { JsonObject } from '../access-request.ts'
import { asObject, asText, type RecordDraft } from './decision-record.ts'
import { readRecords, type Evidence } from './reading.ts'

/** What must be kept whatever its age: all that is given must fit. */
export interface LegalHold {
  readonly name: string
  readonly reason: string
  /** A resource's name; `*` stands for any characters. */
  readonly resource: string | null
  readonly session: string | null
  /** The principal's id. */
  readonly agent: string | null
  /** Milliseconds since 1970, both included. */
  readonly from: number | null
  readonly to: number | null
}

/**
 * A lifted hold holds for as long: who reads the log (a tail, a witness, the next night's report) hears of it before
 * anything is gone, and can set it again.
 */
export const LIFT_NOTICE_MS: number = 72 * 60 * 60 * 1000

/** A hold as evidence has it, which is what counts: taking it out of the configuration lifts nothing. */
export interface KnownHold {
  readonly hold: LegalHold
  /** Milliseconds since 1970; null: in force. */
  readonly lifted: number | null
}

/** Every hold that was ever set, by name, as its last event left it. */
export async function readHolds(evidence: Evidence): Promise<ReadonlyMap<string, readonly KnownHold[]>> {
  const holds = new Map<string, KnownHold[]>()
  for await (const { record } of readRecords(evidence, { mark: '"legal_hold.' })) {
    const { event, detail, ts } = record
    const name = asText(detail?.name)
    if (detail === null || name === null) continue
    const known = holds.get(name) ?? []
    if (event === 'legal_hold.set')
      holds.set(name, [...known.filter(inForce), { hold: readHold(name, detail), lifted: null }])
    else if (event === 'legal_hold.lifted')
      holds.set(
        name,
        known.map(({ hold, lifted }) => ({ hold, lifted: lifted ?? Date.parse(ts) })),
      )
  }
  return holds
}

function inForce({ lifted }: KnownHold): boolean {
  return lifted === null
}

/** Those that hold at this moment: in force, or lifted so lately that the notice still runs. */
export function holdsAt(known: ReadonlyMap<string, readonly KnownHold[]>, now: number): readonly LegalHold[] {
  const all = [...known.values()].flat()
  return all.filter(({ lifted }) => lifted === null || lifted + LIFT_NOTICE_MS > now).map(({ hold }) => hold)
}

/** Configured holds that evidence doesn't know in just this form yet: to be recorded before anything else is done. */
export function unrecorded(
  configured: readonly LegalHold[],
  known: ReadonlyMap<string, readonly KnownHold[]>,
): readonly LegalHold[] {
  return configured.filter((hold) => {
    const forms = (known.get(hold.name) ?? []).filter(inForce)
    return !forms.some((form) => sameHold(form.hold, hold))
  })
}

/** Holds in force that the configuration doesn't have: they hold, and whoever runs this is told so. */
export function unconfigured(
  configured: readonly LegalHold[],
  known: ReadonlyMap<string, readonly KnownHold[]>,
): readonly LegalHold[] {
  const all = [...known.values()].flat().filter(inForce)
  return all.map(({ hold }) => hold).filter((hold) => !configured.some((other) => sameHold(hold, other)))
}

export function holdSet(hold: LegalHold): RecordDraft {
  const { from, to, ...rest } = hold
  return { event: 'legal_hold.set', detail: { ...rest, from: isoOrNull(from), to: isoOrNull(to) } }
}

function readHold(name: string, detail: JsonObject): LegalHold {
  return {
    name,
    reason: asText(detail.reason) ?? '',
    resource: asText(detail.resource),
    session: asText(detail.session),
    agent: asText(detail.agent),
    from: timeOrNull(asText(detail.from)),
    to: timeOrNull(asText(detail.to)),
  }
}

function sameHold(one: LegalHold, other: LegalHold): boolean {
  return JSON.stringify(asObject(holdSet(one).detail)) === JSON.stringify(asObject(holdSet(other).detail))
}

function isoOrNull(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString()
}

function timeOrNull(text: string | null): number | null {
  return text === null ? null : Date.parse(text)
}
