import type { Entry } from './entry.ts'
import { erasureOf, type Erasure } from './erasure.ts'
import { objectOf, textOf, textsOf, type JsonObject } from './json.ts'
import type { ProvenEntry, SessionEntries } from './session-evidence.ts'
import { stepOf, type Step } from './step.ts'
import { viewingOf, type Viewing } from './viewing.ts'

/** Whose session it was. */
export interface Who {
  readonly id: string
  readonly kind: string
  readonly owner: string | null
  /** Through whom it spoke, the current actor first. */
  readonly act: readonly string[]
  readonly groups: readonly string[]
  readonly roles: readonly string[]
  readonly issuer: string
  /** SHA-256 of the token, hex: names the credential without holding it. */
  readonly tokenDigest: string
  readonly plane: string
  readonly source: string | null
  /** What the client said of itself. */
  readonly client: Readonly<Record<string, string>>
}

export interface PolicyInForce {
  readonly revision: string
  readonly digest: string
  /** When it was activated, RFC 3339; null where that record isn't here. */
  readonly since: string | null
  readonly pack: string | null
  readonly compiler: string | null
  /** Digest of the compliance mappings that its controls were resolved under. */
  readonly controlPack: string | null
  readonly steps: readonly number[]
}

export interface ControlUse {
  readonly id: string
  /** Rules that name it, and the steps in which they did. */
  readonly rules: readonly string[]
  readonly steps: readonly number[]
}

/** Something that the session recorded beside its statements: an answer that was withheld. */
export interface Alarm {
  readonly at: string
  readonly offsetMs: number
  readonly event: string
  readonly message: string
  readonly record: string
}

/** One session, made from its evidence alone: nothing is in it that no line holds. */
export interface Replay {
  readonly session: string
  readonly writer: string
  readonly who: Who
  /** RFC 3339; null where the record isn't here. */
  readonly openedAt: string | null
  readonly closed: { readonly at: string; readonly reason: string } | null
  readonly policies: readonly PolicyInForce[]
  readonly steps: readonly Step[]
  readonly alarms: readonly Alarm[]
  readonly controls: readonly ControlUse[]
  readonly viewings: readonly Viewing[]
  readonly erasures: readonly Erasure[]
}

export function replayOf(session: string, { records, frames }: SessionEntries): Replay {
  const own = records.filter(({ fields }) => fields['session'] === session)
  const opened = own.find(({ fields }) => fields['event'] === 'session.opened')
  const closed = own.findLast(({ fields }) => fields['event'] === 'session.closed')
  const first = textOf((opened ?? own[0])?.fields['ts'])
  const startMs = first === null ? 0 : Date.parse(first)
  const steps = stepsOf(own, records, frames, startMs)
  return {
    session,
    writer: textOf((opened ?? own[0])?.fields['writer_id']) ?? '',
    who: whoOf(opened ?? own.find(({ fields }) => fields['principal'] !== undefined)),
    openedAt: textOf(opened?.fields['ts']),
    closed: closed === undefined ? null : endOf(closed.fields),
    policies: policiesOf(records, steps),
    steps,
    alarms: own.filter(isAlarm).map((record) => alarmOf(record, startMs)),
    controls: controlsOf(steps),
    viewings: records.filter(({ fields }) => VIEWINGS.has(fields['event'])).map(viewingOf),
    erasures: records.filter(({ fields }) => fields['event'] === 'retention.applied').map(erasureOf),
  }
}

const VIEWINGS: ReadonlySet<unknown> = new Set(['replay.viewed', 'evidence.exported'])

const ALARMS: ReadonlySet<unknown> = new Set(['masking.failed_closed', 'anomaly.alert'])

function isAlarm({ fields }: Entry): boolean {
  return ALARMS.has(fields['event'])
}

function alarmOf({ fields }: Entry, startMs: number): Alarm {
  const { code, message } = objectOf(fields['detail'])
  const at = textOf(fields['ts']) ?? ''
  return {
    at,
    offsetMs: Date.parse(at) - startMs,
    event: textOf(fields['event']) ?? '',
    message: [textOf(code), textOf(message)].filter((part) => part !== null).join(': '),
    record: textOf(fields['id']) ?? '',
  }
}

/** By decision, in the order in which they were asked. */
function stepsOf(
  records: readonly ProvenEntry[],
  all: readonly ProvenEntry[],
  frames: readonly Entry[],
  startMs: number,
): readonly Step[] {
  const byDecision = Map.groupBy(records, ({ fields }) => textOf(fields['decision']))
  const approvals = Map.groupBy(all.filter(isApproval), ({ fields }) => textOf(objectOf(fields['approval'])['id']))
  const framesOf = Map.groupBy(frames, ({ fields }) => textOf(fields['decision']))
  const steps: Step[] = []
  for (const [decision, told] of byDecision) {
    if (decision === null) continue
    const ids = new Set(
      told.map(({ fields }) => textOf(objectOf(fields['approval'])['id'])).filter((id) => id !== null),
    )
    const others = [...ids].flatMap((id) => (approvals.get(id) ?? []).filter((record) => !told.includes(record)))
    const step = stepOf(inLogOrder([...told, ...others]), framesOf.get(decision) ?? [], {
      number: steps.length + 1,
      startMs,
    })
    if (step !== null) steps.push(step)
  }
  return steps
}

function isApproval({ fields }: Entry): boolean {
  return textOf(fields['event'])?.startsWith('approval.') === true
}

// A hold that was asked for in another session, to which this one came back, stands before it in the log.
function inLogOrder(records: readonly ProvenEntry[]): readonly ProvenEntry[] {
  return records.toSorted((one, other) => (one.index ?? Infinity) - (other.index ?? Infinity))
}

function whoOf(record: Entry | undefined): Who {
  const principal = objectOf(record?.fields['principal'])
  const { plane, source, client } = objectOf(record?.fields['detail'])
  return {
    id: textOf(principal['id']) ?? 'unknown',
    kind: textOf(principal['kind']) ?? 'unknown',
    owner: textOf(principal['owner']),
    act: textsOf(principal['act']),
    groups: textsOf(principal['groups']),
    roles: textsOf(principal['roles']),
    issuer: textOf(principal['issuer']) ?? '',
    tokenDigest: textOf(principal['token_digest']) ?? '',
    plane: textOf(plane) ?? '',
    source: textOf(source),
    client: textMembers(objectOf(client)),
  }
}

function textMembers(object: JsonObject): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(object).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}

function endOf(fields: JsonObject): Replay['closed'] {
  return { at: textOf(fields['ts']) ?? '', reason: textOf(objectOf(fields['detail'])['reason']) ?? '' }
}

function policiesOf(records: readonly ProvenEntry[], steps: readonly Step[]): readonly PolicyInForce[] {
  const used = Map.groupBy(steps, ({ policy }) => policy.digest)
  return [...used].map(([digest, under]) => {
    const activation = records.findLast(
      ({ fields }) =>
        textOf(fields['event'])?.startsWith('policy.') === true && objectOf(fields['policy'])['digest'] === digest,
    )
    const detail = objectOf(activation?.fields['detail'])
    return {
      revision: under[0]?.policy.revision ?? '',
      digest,
      since: textOf(activation?.fields['ts']),
      pack: textOf(detail['pack']),
      compiler: textOf(detail['compiler']),
      controlPack: textOf(objectOf(detail['control_pack'])['digest']),
      steps: under.map(({ number }) => number),
    }
  })
}

function controlsOf(steps: readonly Step[]): readonly ControlUse[] {
  const uses = new Map<string, { readonly rules: Set<string>; readonly steps: Set<number> }>()
  for (const step of steps) {
    const named = new Set([...step.controls, ...step.reasons.flatMap(({ controls }) => controls)])
    for (const control of named) {
      const use = uses.get(control) ?? { rules: new Set(), steps: new Set() }
      for (const { rule, controls } of step.reasons) if (controls.includes(control)) use.rules.add(rule)
      use.steps.add(step.number)
      uses.set(control, use)
    }
  }
  return [...uses]
    .map(([id, use]) => ({ id, rules: [...use.rules].toSorted(), steps: [...use.steps] }))
    .toSorted((one, other) => (one.id < other.id ? -1 : 1))
}
