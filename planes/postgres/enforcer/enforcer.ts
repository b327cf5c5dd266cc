import type {
  AccessRequest,
  Action,
  DecideOptions,
  Decision,
  FieldMask,
  Labels,
  Limits,
  MaskingKey,
  PlaneHost,
  Principal,
  RequestContext,
  Session,
} from '../../../engine/index.ts'
import {
  constant,
  CountersignError,
  EvidenceError,
  keyUsed,
  NormalizeError,
  ObligationError,
  stricterMask,
} from '../../../engine/index.ts'
import type { FieldDescription } from '../codec/backend-messages.ts'
import type { Catalog, CopyOut, NormalizedStatement, OutputColumn } from '../normalizer/index.ts'
import type { Expected } from '../estimates.ts'
import { accessParts } from '../normalizer/index.ts'
import { AnswerLimit, type Spent } from './answer-limit.ts'
import { answerColumns } from './answer-columns.ts'
import { type Denial, denialOfDecision, denialOfRefusal } from './denial.ts'
import { CopyMasker } from './copy-masker.ts'
import { isLabelled, isSensitive, protectsAny } from './labelled.ts'
import { recordedView } from './recorded-view.ts'
import { requestBlock } from './request-block.ts'
import { type ColumnMask, RowMasker } from './row-masker.ts'
import { type Copying, RunningStatement } from './running-statement.ts'

/** Whose statement it is, and over which connection. */
export interface Client {
  readonly principal: Principal
  readonly session: Session
  readonly database: string
  /** The user name that the client gave; the upstream never sees it. */
  readonly user: string
  readonly source: string | null
}

/** A statement with what Bind brought, ready to be judged. */
export interface Invocation {
  readonly statement: NormalizedStatement
  readonly catalog: Catalog
  /** As text; undefined where a binary value's type isn't known. */
  readonly parameters: readonly (string | null | undefined)[]
  /** The statement's text and its values, as they were sent: what an approval binds beside what policy sees. */
  readonly bound: string
  readonly resultFormats: readonly number[]
  readonly transaction: RequestContext['transaction']
  /** What of its portal's answer earlier executions have handed out. */
  readonly spent: Spent
  /** Judge it as prepared only: it will be parsed, not run. */
  readonly prepareOnly: boolean
  /** Names the same statement again, after a hold: the catalogue may have changed. */
  again(): Promise<Pick<Invocation, 'statement' | 'catalog'>>
  /** It will be sent: what it does to the session's names may happen from here on. */
  onAllowed?(): void
  onComplete?(): void
  /** The server refused it, or it never got there. */
  onFail?(): void
}

export interface EnforcerOptions {
  /** Milliseconds since 1970. */
  now(): number
  /** Of the mask methods that need one; null where none is configured. */
  readonly key: MaskingKey | null
  /** The largest row of a COPY, in bytes, that is held to be masked. */
  readonly maxRowBytes: number
  /** Asks the server what it expects of a statement; null where policy isn't to be told. */
  readonly estimate: ((text: string) => Promise<Expected>) | null
}

export type Judged =
  | { readonly kind: 'run'; readonly running: RunningStatement }
  | { readonly kind: 'denied'; readonly denial: Denial }

const PREPARING: Action = constant({ name: 'postgres.parse', class: 'discover' })
const PREPARING_BLIND: Action = constant({ name: 'postgres.parse', class: 'control' })
const NO_APPROVALS: readonly never[] = constant([])
const UNKNOWN = '[binary]'
/** How often a request is normalized again because the policy was swapped meanwhile. */
const ATTEMPTS = 3

/** Turns a statement into a request, asks the engine, and makes of its verdict what the session can carry out. */
export class Enforcer {
  readonly #client: Client
  readonly #host: PlaneHost
  readonly #options: EnforcerOptions
  #ms = 0
  #timestamp = ''

  constructor(client: Client, host: PlaneHost, options: EnforcerOptions) {
    this.#options = options
    this.#client = client
    this.#host = host
  }

  async judge(invocation: Invocation, options: Omit<DecideOptions, 'again' | 'effectFree'>): Promise<Judged> {
    const { estimate } = this.#options
    const observed = estimate === null ? undefined : await this.#observed(invocation, estimate)
    const effectFree = invocation.prepareOnly || invocation.statement.effectFree
    let current = invocation
    for (let attempt = 1; ; attempt += 1) {
      const labels = this.#host.labels()
      try {
        const decision = await this.#client.session.decide(this.#request(current, labels, observed), {
          ...options,
          effectFree,
          again: async () => {
            current = { ...invocation, ...(await invocation.again()) }
            return this.#request(current, this.#host.labels(), observed)
          },
        })
        return await this.#carryOut(decision, current, labels)
      } catch (error) {
        if (error instanceof ObligationError && error.code === 'ERR_OBLIGATION_STALE' && attempt < ATTEMPTS) continue
        const refused = unrecordable(error) ?? error
        if (refused instanceof NormalizeError)
          return { kind: 'denied', denial: await this.refuse(refused, invocation.statement.kind) }
        throw error
      }
    }
  }

  /** Anything at all is labelled. */
  get protects(): boolean {
    return protectsAny(this.#host.labels())
  }

  /** Records a statement that can't be named, and gives the client's answer. */
  async refuse(error: CountersignError, kind: string): Promise<Denial> {
    const decision = await this.#client.session.refuse({
      action: `postgres.${kind}`,
      code: error.code,
      message: withoutLiterals(error),
      block: { kind, database: this.#client.database, user: this.#client.user },
    })
    return denialOfRefusal(error, decision)
  }

  /** The server's description of a result against lineage; throws when they contradict each other. */
  check(statement: NormalizedStatement, catalog: Catalog, fields: readonly FieldDescription[] | null): void {
    checkFields(fields, statement, catalog, this.#host.labels(), [])
  }

  async #carryOut(decision: Decision, invocation: Invocation, labels: Labels): Promise<Judged> {
    const { verdict } = decision
    const { statement, catalog, resultFormats, prepareOnly } = invocation
    if (verdict.kind === 'reject' || verdict.kind === 'hold') {
      const [first] = statement.opaque
      const denial =
        first === undefined || verdict.kind === 'hold'
          ? denialOfDecision(decision)
          : denialOfRefusal(first.error, decision)
      return { kind: 'denied', denial }
    }
    const sensitive = isSensitive(statement, labels)
    const limits = prepareOnly ? undefined : verdict.limits
    const plan =
      uncuttable(statement, limits) ??
      planOf(statement, verdict.kind === 'mask' && !prepareOnly ? verdict.fields : [], resultFormats)
    if (plan instanceof CountersignError) {
      // The intent stands in the log; the outcome says that it came to nothing.
      await this.#client.session.settle(decision, { status: 'failed', rows: 0, bytes: 0, masks: [], error: plan.code })
      return { kind: 'denied', denial: denialOfRefusal(plan, decision) }
    }
    const outputs = prepareOnly ? null : statement.outputs
    const { key } = this.#options
    const running = new RunningStatement({
      session: this.#client.session,
      decision,
      columns: isAnswerUnknown(statement) && !prepareOnly ? 'any' : (outputs?.length ?? null),
      takesCopy: statement.kind === 'copy_from' && !prepareOnly,
      copy: prepareOnly ? null : this.#copyingOf(statement, plan),
      answerColumns: outputs === null ? null : answerColumns(outputs, plan),
      masker: plan.length === 0 || outputs === null ? null : new RowMasker(plan, outputs.length, key),
      masks: plan.map(({ field, method }) => ({ field, method, ...keyUsed(method, key) })),
      sensitive,
      limit: limits === undefined ? null : new AnswerLimit(limits, invocation.spent),
      writes: !prepareOnly && (!statement.effectFree || runsLater(statement)),
      resultFormats,
      checkFields: (fields) => checkFields(fields, statement, catalog, labels, plan),
      ...(prepareOnly ? {} : { onComplete: () => invocation.onComplete?.(), onFail: () => invocation.onFail?.() }),
    })
    if (!prepareOnly) invocation.onAllowed?.()
    return { kind: 'run', running }
  }

  #copyingOf({ kind, copy, answerUnknown }: NormalizedStatement, plan: readonly ColumnMask[]): Copying | null {
    if (answerUnknown && kind === 'copy_to') return { columns: 'any', binary: null, masker: null }
    return copy === null ? null : this.#copying(copy, plan)
  }

  #copying({ columns, form }: CopyOut, plan: readonly ColumnMask[]): Copying {
    const masker = plan.length === 0 || form === null ? null : new CopyMasker(plan, columns.length, form, this.#options)
    return { columns: columns.length, binary: form === null ? null : form.kind === 'binary', masker }
  }

  /** What the server expects of it, where that is asked for. Functions that aren't the server's own might run as it plans. */
  async #observed(
    { statement, prepareOnly }: Invocation,
    estimate: NonNullable<EnforcerOptions['estimate']>,
  ): Promise<AccessRequest['observed']> {
    const { planned, functions } = statement
    const safe = !prepareOnly && planned !== null && functions.every((name) => name.startsWith('pg_catalog.'))
    return { estimate: safe ? await estimate(planned) : null }
  }

  #request(invocation: Invocation, labels: Labels, observed: AccessRequest['observed']): AccessRequest {
    const { principal, session, source } = this.#client
    const { statement, transaction, prepareOnly } = invocation
    const preparing = statement.opaque.length === 0 ? PREPARING : PREPARING_BLIND
    const known = invocation.parameters.map((value) => (value === undefined ? UNKNOWN : value))
    const { resources } = accessParts(statement, labels, invocation.parameters)
    const { database, user } = this.#client
    const kind = prepareOnly ? 'prepare' : statement.kind
    const block = requestBlock(statement, { kind, database, user, parameters: known })
    return {
      principal,
      action: prepareOnly ? preparing : constant(statement.action),
      resources,
      context: {
        approvals: NO_APPROVALS,
        plane: 'postgres',
        session: session.id,
        source,
        time: this.#time(),
        transaction,
      },
      block,
      ...(observed === undefined ? {} : { observed }),
      recorded: recordedView(statement, labels, resources, block, known),
      bound: invocation.bound,
      labels_revision: labels.revision,
    }
  }

  // Many requests share a millisecond.
  #time(): string {
    const ms = this.#options.now()
    if (ms !== this.#ms) this.#timestamp = new Date(ms).toISOString()
    this.#ms = ms
    return this.#timestamp
  }
}

/** What was asked can't be written down as it would have to be: it isn't done, and the refusal names less. */
function unrecordable(cause: unknown): NormalizeError | null {
  if (!(cause instanceof EvidenceError) || cause.code !== 'ERR_EVIDENCE_RECORD') return null
  const message = 'the statement names more than one record can hold: split it'
  return new NormalizeError('ERR_NORMALIZE_REQUEST', message, { cause })
}

/** A write that is done can't be cut short: it either is refused or hands out all that it returns. */
function uncuttable({ effectFree, kind }: NormalizedStatement, limits: Limits | undefined): ObligationError | null {
  if (effectFree || (limits?.max_rows === undefined && limits?.max_bytes === undefined)) return null
  const message = `the rows of ${kind} can not be limited, because it has done its work by the time they come`
  return new ObligationError('ERR_OBLIGATION_UNENFORCEABLE', message)
}

interface PlannedMask extends ColumnMask {
  readonly field: string
}

const NO_MASKS: readonly PlannedMask[] = []

/** What to rewrite in the answer; an error where the session can't carry the statement, or not with these masks. */
function planOf(
  statement: NormalizedStatement,
  masks: readonly FieldMask[],
  resultFormats: readonly number[],
): readonly PlannedMask[] | CountersignError {
  const [blind] = statement.opaque
  if (blind !== undefined && masks.length > 0) {
    const message = `${masks[0]?.field ?? 'a column'} must be masked, which can't be done where not all is seen: ${blind.error.message}`
    return new ObligationError('ERR_OBLIGATION_UNENFORCEABLE', message)
  }
  const landing = statement.effectFree ? undefined : masks.find(({ field }) => landed(statement, field))
  if (landing !== undefined) {
    const message = `${landing.field} must be masked, but it is written to where its mask doesn't reach`
    return new ObligationError('ERR_OBLIGATION_UNENFORCEABLE', message)
  }
  const { copy } = statement
  if (copy === null) return maskPlan(statement.outputs ?? [], masks, resultFormats)
  const plan = maskPlan(copy.columns, masks, copy.form?.kind === 'binary' ? [1] : [])
  if (plan instanceof ObligationError || plan.length === 0 || copy.form !== null) return plan
  const message =
    'rows that COPY writes with these options can not be masked: use text, csv or binary, in UTF-8, with single-byte separators'
  return new ObligationError('ERR_OBLIGATION_UNENFORCEABLE', message)
}

/** Something made of this column goes elsewhere than into an answer. */
function landed({ resources }: NormalizedStatement, field: string): boolean {
  return resources.some(({ name, parts }) =>
    parts.some((part) => part.uses.includes('derived') && `${name}.${part.name}` === field),
  )
}

/** Which result columns to rewrite; an error where a masked field comes out as anything but itself. */
function maskPlan(
  columns: readonly OutputColumn[],
  masks: readonly FieldMask[],
  resultFormats: readonly number[],
): readonly PlannedMask[] | ObligationError {
  if (masks.length === 0) return NO_MASKS
  const methods = new Map(masks.map((mask) => [mask.field, mask.method]))
  const plan: PlannedMask[] = []
  for (const [index, output] of columns.entries()) {
    const masked = output.sources
      .map(({ resource, part }) => `${resource}.${part}`)
      .flatMap((field) => ({ field, method: methods.get(field) }))
      .filter((mask): mask is FieldMask => mask.method !== undefined)
    const [first, ...others] = masked
    if (first === undefined) continue
    const { field } = first
    if (!output.copy || output.typeOid === null) {
      const message = `${field} must be masked, but it is handed out within an expression: select the column itself`
      return new ObligationError('ERR_OBLIGATION_UNENFORCEABLE', message)
    }
    const method = others.reduce((strictest, other) => stricterMask(strictest, other.method), first.method)
    plan.push({ index, method, typeOid: output.typeOid, format: formatOf(resultFormats, index), field })
  }
  return plan
}

function formatOf(formats: readonly number[], index: number): 0 | 1 {
  const format = formats.length === 1 ? formats[0] : formats[index]
  return format === 1 ? 1 : 0
}

/** What runs unseen may answer with other columns than those that are named. No mask is ever laid over such an answer. */
function isAnswerUnknown({ answerUnknown, opaque }: NormalizedStatement): boolean {
  return answerUnknown || opaque.length > 0
}

/** Lineage against what the server says of itself: another count, or a labelled column that lineage called clean. */
function checkFields(
  fields: readonly FieldDescription[] | null,
  statement: NormalizedStatement,
  catalog: Catalog,
  labels: Labels,
  plan: readonly PlannedMask[],
): void {
  const outputs = statement.outputs
  const counted = isAnswerUnknown(statement) || (fields?.length ?? null) === (outputs?.length ?? null)
  if (!counted) throw contradiction('another number of columns')
  for (const [index, field] of (fields ?? []).entries()) {
    const origin = catalog.columnAt(field.tableOid, field.attnum)
    const known = outputs?.[index]?.sources ?? []
    if (!catalog.explains(field.tableOid, known)) throw contradiction('a relation that nobody knows of')
    if (
      origin !== null &&
      isLabelled(labels, origin.resource, origin.part) &&
      !known.some((source) => source.resource === origin.resource && source.part === origin.part)
    ) {
      throw contradiction('a labelled column where none was expected')
    }
    const mask = plan.find((each) => each.index === index)
    if (mask !== undefined && mask.typeOid !== field.typeOid) throw contradiction('another type for a masked column')
  }
}

function contradiction(found: string): ObligationError {
  return new ObligationError(
    'ERR_OBLIGATION_UNENFORCEABLE',
    `the server describes ${found}, so its answer is withheld; the schema may just have changed: send the statement again`,
  )
}

/** A syntax error's text quotes what the client sent; the record gets its kind alone. */
function withoutLiterals(error: CountersignError): string {
  return error.code === 'ERR_NORMALIZE_SYNTAX' ? 'the statement is not valid SQL' : error.message
}

/** A cursor that outlives its transaction runs to its end when that is committed, and fails there. */
function runsLater({ effect }: NormalizedStatement): boolean {
  return effect.kind === 'declare' && effect.hold
}
