import { answerOf, type Answer } from './answer.ts'
import type { Entry } from './entry.ts'
import { holdOf, type Hold } from './hold.ts'
import { listOf, numberOf, objectOf, textOf, textsOf, type JsonObject, type JsonValue } from './json.ts'
import type { ProvenEntry } from './session-evidence.ts'

export type StepVerdict = 'forward' | 'mask' | 'hold' | 'reject'

export interface StepReason {
  readonly rule: string
  readonly message: string
  readonly controls: readonly string[]
}

export interface StepMask {
  readonly field: string
  readonly method: string
  /** Values hidden; null before there is an outcome. */
  readonly count: number | null
}

export interface StepOutcome {
  readonly status: 'ok' | 'failed' | 'unknown'
  readonly rows: number | null
  readonly bytes: number | null
  /** The protocol's own code. */
  readonly error: string | null
  readonly at: string
  /** From intent to outcome by the gateway's monotonic clock, microseconds; null where they are of two processes. */
  readonly tookUs: number | null
}

/** One statement of a session: asked, decided, and what then happened. */
export interface Step {
  /** From 1: `#step-3` in a page's address. */
  readonly number: number
  readonly decision: string
  /** RFC 3339, UTC; milliseconds since the session's first record. */
  readonly at: string
  readonly offsetMs: number
  readonly action: string
  readonly actionClass: string
  /** Normalized text; null where it couldn't be named, or was erased. */
  readonly statement: string | null
  /** What its outcome counts: a table's rows, a queue's messages. */
  readonly unit: 'row' | 'message'
  /** It is about something that had come back already: refused, it was kept from the client, not from the server. */
  readonly cameBack: boolean
  /** What Bind brought, `$1` first, and what is written to which column or stands in a message: masked where labelled. */
  readonly parameters: readonly (string | null)[]
  readonly written: readonly WrittenValues[]
  readonly resources: readonly StepResource[]
  /** As it ended: of a hold that was answered, what was done then. */
  readonly verdict: StepVerdict
  readonly hold: Hold | null
  readonly reasons: readonly StepReason[]
  readonly controls: readonly string[]
  readonly policy: { readonly revision: string; readonly digest: string }
  /** From the request's coming to its decision, microseconds; null where it isn't recorded. */
  readonly decidedUs: number | null
  readonly masks: readonly StepMask[]
  readonly outcome: StepOutcome | null
  readonly answer: Answer | null
  /** Leaves of records whose payload was erased since. */
  readonly erased: readonly string[]
  /** Every line that tells of it, in the log's order. */
  readonly sources: readonly StepSource[]
}

/** A line that a step was made from: a record, or a frame of the recording. */
export interface StepSource {
  readonly kind: Entry['kind']
  /** A record's id; a frame's number in the session. */
  readonly id: string
  readonly event: string
  readonly leaf: string
  /** Leaf index in the log, of a record that a checkpoint covers. */
  readonly index: number | null
}

export interface WrittenValues {
  readonly part: string
  /** Null: only the server could tell. */
  readonly values: readonly (string | null)[] | null
}

export interface StepResource {
  readonly type: string
  readonly name: string
  readonly parts: readonly {
    readonly name: string
    readonly labels: readonly string[]
    readonly uses: readonly string[]
  }[]
}

/** The step that the records and frames of one decision tell of; null for records that hold no decision. */
export function stepOf(
  records: readonly ProvenEntry[],
  frames: readonly Entry[],
  at: { readonly number: number; readonly startMs: number },
): Step | null {
  const decisions = records.filter(({ fields }) => textOf(fields['event'])?.startsWith('decision.') === true)
  const [first] = decisions
  const last = decisions.at(-1)
  if (first === undefined || last === undefined) return null
  const apart = records.find(({ fields }) => textOf(fields['event'])?.startsWith('outcome.') === true)
  const outcome = apart ?? (last.fields['outcome'] === undefined ? undefined : last) // answered at once
  const approvals = records.filter(({ fields }) => textOf(fields['event'])?.startsWith('approval.') === true)
  const { fields } = last
  const block = blockOf(last)
  const { name, class: actionClass } = objectOf(fields['action'])
  const { revision, digest } = objectOf(fields['policy'])
  const ts = textOf(first.fields['ts']) ?? ''
  return {
    number: at.number,
    decision: textOf(fields['decision']) ?? '',
    at: ts,
    offsetMs: Date.parse(ts) - at.startMs,
    action: textOf(name) ?? '',
    actionClass: textOf(actionClass) ?? '',
    statement: textOf(block['statement']),
    unit: objectOf(listOf(fields['resources'])[0])['type'] === 'queue' ? 'message' : 'row',
    cameBack: block['kind'] === 'receive' && typeof block['message'] === 'object' && block['message'] !== null,
    parameters: listOf(block['parameters']).map(textOf),
    written: [...messageIn(block), ...writtenBy(last)],
    resources: listOf(fields['resources']).map(resourceOf),
    verdict: verdictOf(fields['verdict']),
    hold: holdOf(approvals),
    reasons: listOf(fields['reasons']).map(reasonOf),
    controls: textsOf(fields['controls']),
    policy: { revision: textOf(revision) ?? '', digest: textOf(digest) ?? '' },
    decidedUs: numberOf(objectOf(first.fields['detail'])['decided_us']),
    masks: masksOf(outcome?.fields, fields),
    outcome: outcome === undefined ? null : outcomeOf(outcome, last),
    answer: answerOf(frames, outcome),
    erased: records.filter(({ payload }) => payload === null).map(({ leaf }) => leaf),
    sources: [...records.map(recordSource), ...frames.map(frameSource)],
  }
}

function recordSource({ fields, leaf, index }: ProvenEntry): StepSource {
  return { kind: 'record', id: textOf(fields['id']) ?? '', event: textOf(fields['event']) ?? '', leaf, index }
}

function frameSource({ fields, leaf }: Entry): StepSource {
  const id = `frame ${numberOf(fields['i']) ?? '?'}`
  return { kind: 'frame', id, event: textOf(fields['kind']) ?? '', leaf, index: null }
}

// Before payloads stood beside their entries, a record held the request itself.
function blockOf({ payload, fields }: Entry): JsonObject {
  return objectOf(payload === undefined ? objectOf(fields['request'])['block'] : objectOf(payload)['block'])
}

function writtenBy({ payload }: Entry): readonly WrittenValues[] {
  return listOf(objectOf(payload ?? undefined)['values']).map((value) => {
    const { resource, part, values } = objectOf(value)
    const field = `${textOf(resource) ?? ''}.${textOf(part) ?? ''}`
    return { part: field, values: values === null ? null : listOf(values).map(textOf) }
  })
}

/** The body of a message that a request is about; its attributes stand in `values`. */
function messageIn({ message }: JsonObject): readonly WrittenValues[] {
  const { body, bytes } = objectOf(message)
  if (body === undefined) return []
  return [{ part: 'body', values: [body === null ? `[${numberOf(bytes) ?? '?'} bytes, not kept]` : textOf(body)] }]
}

function verdictOf(value: JsonValue | undefined): StepVerdict {
  return value === 'forward' || value === 'mask' || value === 'hold' ? value : 'reject'
}

function reasonOf(value: JsonValue): StepReason {
  const { rule, message, controls } = objectOf(value)
  return { rule: textOf(rule) ?? '', message: textOf(message) ?? '', controls: textsOf(controls) }
}

function resourceOf(value: JsonValue): StepResource {
  const { type, name, parts } = objectOf(value)
  return {
    type: textOf(type) ?? '',
    name: textOf(name) ?? '',
    parts: listOf(parts).map((part) => {
      const { name: column, labels, uses } = objectOf(part)
      return { name: textOf(column) ?? '', labels: textsOf(labels), uses: textsOf(uses) }
    }),
  }
}

/** What was hidden, as the outcome counts it; else what the intent said would be. */
function masksOf(outcome: JsonObject | undefined, decision: JsonObject): readonly StepMask[] {
  const counted = objectOf(outcome?.['outcome'])['masks']
  return listOf(counted ?? decision['masks']).map((value) => {
    const { field, method, count } = objectOf(value)
    return { field: textOf(field) ?? '', method: textOf(method) ?? '', count: numberOf(count) }
  })
}

function outcomeOf({ fields }: Entry, intent: Entry): StepOutcome {
  const { status, rows, bytes, error } = objectOf(fields['outcome'])
  const known = status === 'ok' || status === 'failed' ? status : null
  return {
    status: known ?? 'unknown',
    rows: numberOf(rows),
    bytes: numberOf(bytes),
    error: textOf(error),
    at: textOf(fields['ts']) ?? '',
    tookUs: tookUs(fields, intent.fields),
  }
}

function tookUs(outcome: JsonObject, intent: JsonObject): number | null {
  if (outcome === intent) return numberOf(objectOf(intent['detail'])['took_us'])
  const between = outcome['writer_id'] === intent['writer_id'] ? microsecondsBetween(intent, outcome) : null
  return between === null ? null : between + (numberOf(objectOf(intent['detail'])['waited_us']) ?? 0)
}

function microsecondsBetween(from: JsonObject, to: JsonObject): number | null {
  const [start, end] = [textOf(from['mono_ns']), textOf(to['mono_ns'])]
  if (start === null || end === null || !/^\d+$/.test(start) || !/^\d+$/.test(end)) return null
  return Number((BigInt(end) - BigInt(start)) / 1000n)
}
