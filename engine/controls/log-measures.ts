import type { EventName } from '../evidence/index.ts'
import { textAt } from './field.ts'
import {
  amount,
  ExceptionList,
  listed,
  plural,
  Share,
  Tally,
  type Measure,
  type MeasureResult,
  type Seen,
} from './measure.ts'

/** A gateway at rest records every 60 seconds (docs/evidence-format.md); this leaves it half a minute of grace. */
const LONGEST_SILENCE_MS = 90_000

/** Writers that ended, and how: `crash` is what the next one found and closed. */
export function writersEnded(): Measure {
  const share = new Share()
  return {
    take: (seen) => {
      if (!seen.inPeriod || seen.record.event !== 'writer.closed') return
      const writer = textAt(seen.fields, 'detail', 'writer_id') ?? '?'
      share.count(seen, textAt(seen.fields, 'detail', 'how') === 'clean', `writer ${writer} ended by a crash`)
    },
    result: () => share.result('Runs of the gateway that ended in order'),
  }
}

/** Nothing was recorded for longer than the heartbeat, by the writer's own clock that never goes back. */
export function silences(): Measure {
  const found = new ExceptionList()
  const last = new Map<string, bigint>()
  let longest = 0
  let spans = 0
  return {
    take: (seen) => {
      const { writerId, event } = seen.record
      const now = nanoseconds(seen)
      const before = last.get(writerId)
      last.set(writerId, now)
      if (event === 'writer.closed') last.delete(textAt(seen.fields, 'detail', 'writer_id') ?? '')
      if (before === undefined || !seen.inPeriod) return
      const ms = Number((now - before) / 1_000_000n)
      spans += 1
      longest = Math.max(longest, ms)
      if (ms > LONGEST_SILENCE_MS) found.add(seen, `nothing recorded by ${writerId} for ${seconds(ms)} before this`)
    },
    result: () => ({
      what: 'Longest time in which a running gateway recorded nothing',
      expectation: `at most ${seconds(LONGEST_SILENCE_MS)}`,
      measured: spans === 0 ? 'none in the period' : seconds(longest),
      state: spans === 0 ? 'nothing to measure' : found.count === 0 ? 'as expected' : 'exceptions',
      exceptions: found.all(),
      breakdown: null,
    }),
  }
}

function nanoseconds({ fields }: Seen): bigint {
  const text = textAt(fields, 'mono_ns') ?? ''
  return /^\d{1,19}$/.test(text) ? BigInt(text) : 0n
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

/** Records of some events, one by one: who, and what they say. */
function register(
  what: string,
  events: readonly EventName[],
  of: (seen: Seen) => readonly string[],
  columns: string[],
): () => Measure {
  return () => {
    const rows: (readonly string[])[] = []
    let omitted = 0
    return {
      take: (seen) => {
        if (!seen.inPeriod || !events.includes(seen.record.event)) return
        if (rows.length === MAX_REGISTERED) omitted += 1
        else rows.push([seen.record.ts, `leaf ${seen.index}`, seen.record.event, ...of(seen)])
      },
      result: (): MeasureResult => {
        const breakdown = { columns: ['Time', 'Record', 'Event', ...columns], rows, omitted }
        return listed(what, `${amount(rows.length + omitted)} in the period`, breakdown)
      },
    }
  }
}

const MAX_REGISTERED = 200

const who = ({ fields }: Seen): string =>
  textAt(fields, 'principal', 'id') ?? textAt(fields, 'detail', 'by') ?? 'unnamed'

export const logReads: () => Measure = register(
  'Views, exports and reports of this evidence',
  ['replay.viewed', 'evidence.exported', 'report.generated'],
  (seen) => [who(seen), textAt(seen.fields, 'detail', 'reason') ?? 'none given'],
  ['By', 'Reason'],
)

export const keyEvents: () => Measure = register(
  'Changes of the log’s keys',
  ['key.rotated', 'key.compromised'],
  (seen) => [textAt(seen.fields, 'detail', 'new') ?? textAt(seen.fields, 'detail', 'key') ?? 'see the record'],
  ['New key, or the one not believed'],
)

export const policyChanges: () => Measure = register(
  'Policy revisions put in force',
  ['policy.activated', 'policy.rolled_back', 'policy.emergency_activated'],
  ({ fields }) => [textAt(fields, 'policy', 'revision') ?? 'unnamed', short(textAt(fields, 'policy', 'digest'))],
  ['Revision', 'Digest'],
)

export const releases: () => Measure = register(
  'Programs that served, and under which configuration',
  ['gateway.released'],
  ({ fields }) => [textAt(fields, 'detail', 'version') ?? 'unnamed', short(textAt(fields, 'detail', 'config'))],
  ['Version', 'Configuration’s digest'],
)

export const boundaryChecks: () => Measure = register(
  'The server’s own log held against this one',
  ['boundary.verified'],
  (seen) => [who(seen), textAt(seen.fields, 'detail', 'status') ?? 'not told'],
  ['By', 'Result'],
)

export const failovers: () => Measure = register(
  'Gateways that took over signing the log from another',
  ['gateway.failover'],
  (seen) => [seen.record.writerId, textAt(seen.fields, 'detail', 'took') ?? 'not told'],
  ['Run', 'What it took over'],
)

function short(digest: string | null): string {
  return digest === null ? 'none' : `${digest.slice(0, 16)}…`
}

export const retentions: () => Measure = register(
  'Payloads erased by retention, and holds on it',
  ['retention.applied', 'legal_hold.set', 'legal_hold.lifted'],
  (seen) => [
    textAt(seen.fields, 'detail', 'rule') ?? textAt(seen.fields, 'detail', 'name') ?? 'unnamed',
    textAt(seen.fields, 'detail', 'reason') ?? 'none given',
  ],
  ['Rule or hold', 'Reason'],
)

/** How much of the log's own work it tells of. */
export function logEvents(): Measure {
  const tally = new Tally(() => ({ times: 0 }))
  let times = 0
  return {
    take: ({ record: { event }, inPeriod }) => {
      if (!inPeriod || !/^(?:log|writer|key|retention)\./.test(event)) return
      times += 1
      tally.row(event).times += 1
    },
    result: () => {
      const rows = tally.breakdown(
        ['Event', 'Records'],
        (row) => row.times,
        (row) => [amount(row.times)],
      )
      return listed('What the log records of itself', plural(times, 'record'), rows)
    },
  }
}
