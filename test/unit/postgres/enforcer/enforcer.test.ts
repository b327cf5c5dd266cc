import { describe, expect, test } from 'vitest'
import { sealRequest, type AccessRequest, type Decision } from '../../../../engine/index.ts'
import { NormalizeError, ObligationError } from '../../../../engine/index.ts'
import type { FieldDescription } from '../../../../planes/postgres/codec/backend-messages.ts'
import { Enforcer, type Client, type Invocation, type Judged } from '../../../../planes/postgres/enforcer/enforcer.ts'
import { Writer } from '../../../../planes/postgres/codec/writer.ts'
import type { CopyForm, NormalizedStatement } from '../../../../planes/postgres/normalizer/index.ts'
import { AGENT, BINDING_KEY } from '../../../support/rooms.ts'
import { ScriptedEngine } from '../../../support/scripted-engine.ts'
import { CUSTOMERS, nameScript, NOTES, scriptedCatalog } from '../../../support/scripted-statements.ts'

const catalog = await scriptedCatalog()
const AT_ONCE = (): Promise<void> => Promise.resolve()

/** Remembers the requests; answers with this verdict, if not with the scripted one. */
class Asking extends ScriptedEngine {
  readonly requests: AccessRequest[] = []
  readonly #verdict: Decision['verdict'] | undefined
  readonly #stale: number

  constructor(verdict?: Decision['verdict'], stale = 0) {
    super(AT_ONCE)
    this.#verdict = verdict
    this.#stale = stale
  }

  override async decide(...[request, options]: Parameters<ScriptedEngine['decide']>): Promise<Decision> {
    this.requests.push(request)
    if (this.requests.length <= this.#stale) throw new ObligationError('ERR_OBLIGATION_STALE', 'the policy changed')
    const decision = await super.decide(request, options)
    return this.#verdict === undefined ? decision : { ...decision, verdict: this.#verdict }
  }
}

function statement(sql: string, changes: Partial<NormalizedStatement> = {}): NormalizedStatement {
  const [named] = nameScript(sql, catalog).statements
  if (named === undefined) throw new Error('a statement is expected')
  return { ...named, ...changes }
}

function invocation(of: NormalizedStatement, changes: Partial<Invocation> = {}): Invocation {
  return {
    statement: of,
    catalog,
    parameters: [],
    bound: of.text,
    resultFormats: [],
    transaction: 'none',
    spent: { rows: 0, bytes: 0 },
    prepareOnly: false,
    again: () => Promise.resolve({ statement: of, catalog }),
    ...changes,
  }
}

function judge(engine: ScriptedEngine, asked: Invocation): Promise<Judged> {
  const client: Client = { principal: AGENT, session: engine, database: 'bank', user: 'reconciler', source: null }
  const enforcer = new Enforcer(client, engine.host(), {
    now: () => 0,
    key: null,
    maxRowBytes: 1 << 20,
    estimate: null,
  })
  return enforcer.judge(asked, { signal: new AbortController().signal, patienceMs: 0 })
}

async function running(judged: Promise<Judged>) {
  const answer = await judged
  if (answer.kind !== 'run') throw new Error(`it should run: ${answer.denial.message}`)
  return answer.running
}

const field = (tableOid: number, attnum: number, typeOid = 25): FieldDescription => ({
  name: 'x',
  tableOid,
  attnum,
  typeOid,
  typeSize: -1,
  typeModifier: -1,
  format: 0,
})
const unenforceable = (message: RegExp): unknown =>
  expect.objectContaining({ code: 'ERR_OBLIGATION_UNENFORCEABLE', message: expect.stringMatching(message) })

async function digest(changes: Partial<Invocation>): Promise<string> {
  const engine = new Asking()
  await judge(engine, invocation(statement('write open #1'), changes))
  const [request] = engine.requests
  if (request === undefined) throw new Error('nothing was asked')
  return sealRequest(request, BINDING_KEY).digest
}

describe('what an approval binds', () => {
  test('two statements that policy can’t tell apart are still two', async () => {
    expect(await digest({ bound: 'DELETE FROM t WHERE id = 5' })).not.toBe(
      await digest({ bound: 'DELETE FROM t WHERE id = 6' }),
    )
    expect(await digest({ bound: 'same' })).toBe(await digest({ bound: 'same' }))
  })

  test('the text as sent is neither shown to policy nor recorded', async () => {
    const engine = new Asking()
    await judge(engine, invocation(statement('write secret #1'), { bound: '123-45-6789' }))
    const [request] = engine.requests
    expect(request && sealRequest(request, BINDING_KEY).json).not.toContain('123-45-6789')
    expect(JSON.stringify(request?.recorded)).not.toContain('123-45-6789')
  })
})

function copyOf(form: CopyForm | null): NormalizedStatement {
  const columns = statement('read secret #1').outputs ?? []
  return statement('read secret #1', { kind: 'copy_to', outputs: null, copy: { columns, form } })
}

describe('masks', () => {
  const ssn = { field: 'public.customers.ssn', method: 'redact' } as const

  test('over an expression are refused, and the outcome says so', async () => {
    const derived = statement('read secret #1', {
      outputs: [
        { name: 'x', sources: [{ resource: 'public.customers', part: 'ssn' }], copy: false, typeOid: 25 },
        { name: 'y', sources: [], copy: true, typeOid: 25 },
      ],
    })
    const engine = new Asking({ kind: 'mask', fields: [ssn] })
    const judged = await judge(engine, invocation(derived))
    expect(judged).toMatchObject({ kind: 'denied', denial: { code: '42501', message: /within an expression/ } })
    expect(engine.decisions[0]?.outcomes).toMatchObject([{ status: 'failed', error: 'ERR_OBLIGATION_UNENFORCEABLE' }])
  })

  test('of a column whose type isn’t known are refused', async () => {
    const outputs = statement('read secret #1').outputs?.map((output) => ({ ...output, typeOid: null })) ?? []
    const engine = new Asking({ kind: 'mask', fields: [ssn] })
    expect(await judge(engine, invocation(statement('read secret #1', { outputs })))).toMatchObject({ kind: 'denied' })
  })

  const text: CopyForm = { kind: 'text', delimiter: 9, nullText: '', header: false }

  test('a COPY whose options nobody understands is refused where something in it is to be masked', async () => {
    const engine = new Asking({ kind: 'mask', fields: [ssn] })
    const judged = await judge(engine, invocation(copyOf(null)))
    expect(judged).toMatchObject({ kind: 'denied', denial: { code: '42501', message: /use text, csv or binary/ } })
    expect(engine.decisions[0]?.outcomes).toMatchObject([{ status: 'failed', error: 'ERR_OBLIGATION_UNENFORCEABLE' }])
    expect(await judge(new Asking({ kind: 'forward' }), invocation(copyOf(null)))).toMatchObject({ kind: 'run' })
  })

  test('a COPY masks what it hands out, and the server may describe no columns', async () => {
    const engine = new Asking({ kind: 'mask', fields: [ssn] })
    const copying = await running(judge(engine, invocation(copyOf(text))))
    copying.describe(null)
    copying.copyOut({ format: 0, columnFormats: [0, 0] })
    const frame = Buffer.from('d\0\0\0\x121\t123-45-6789\n', 'latin1')
    const out = new Writer()
    expect(copying.copyData(frame, 0, 5, frame.length, out, () => undefined)).toBe('rebuilt')
    copying.copyDone()
    await copying.complete('COPY 1')
    expect(out.take().toString('latin1', 5)).toBe('1\t[redacted]\n')
    expect(engine.decisions[0]?.outcomes).toMatchObject([{ status: 'ok', rows: 1, masks: [{ count: 1 }] }])
    expect(JSON.stringify([engine.frames, engine.answers])).not.toContain('6789')
  })

  test.each([
    ['another number of columns', { format: 0, columnFormats: [0, 0, 0] }],
    ['another format', { format: 1, columnFormats: [1, 1] }],
  ] as const)('a COPY of %s than it was judged to have is withheld', async (_, begins) => {
    const copying = await running(judge(new Asking({ kind: 'mask', fields: [ssn] }), invocation(copyOf(text))))
    expect(() => copying.copyOut(begins)).toThrowError(unenforceable(/copies other columns/))
  })

  test('a COPY that ends within a row is no end', async () => {
    const copying = await running(judge(new Asking({ kind: 'mask', fields: [ssn] }), invocation(copyOf(text))))
    copying.copyOut({ format: 0, columnFormats: [0, 0] })
    const frame = Buffer.from('d\0\0\0\x091\t123', 'latin1')
    copying.copyData(frame, 0, 5, frame.length, new Writer(), () => undefined)
    expect(() => copying.copyDone()).toThrowError(expect.objectContaining({ code: 'ERR_PROTOCOL_MESSAGE' }))
  })

  test('a verdict that keeps it from running denies, and settles nothing', async () => {
    const terms = { approvers: ['a'], quorum: 1, expires_in: 60, reason_required: true }
    for (const verdict of [{ kind: 'reject' }, { kind: 'hold', terms, fields: [] }] as const) {
      const engine = new Asking(verdict)
      expect(await judge(engine, invocation(statement('read open #1')))).toMatchObject({ denial: { code: '42501' } })
      expect(engine.decisions[0]?.outcomes).toEqual([])
    }
  })
})

describe('the server’s description', () => {
  test.each([
    ['a labelled column where lineage saw none', 'read open #1', [field(CUSTOMERS, 2)], /labelled column/],
    ['more columns', 'read open #1', [field(NOTES, 1), field(NOTES, 1)], /another number of columns/],
    ['no result', 'read open #1', null, /another number of columns/],
    ['a result where none was expected', 'write open #1', [], /another number of columns/],
    ['another type under a mask', 'read secret #1', [field(CUSTOMERS, 1), field(CUSTOMERS, 2, 23)], /another type/],
    [
      'labelled columns in other places',
      'read secret #1',
      [field(CUSTOMERS, 2), field(CUSTOMERS, 2)],
      /labelled column/,
    ],
  ])('%s contradicts lineage', async (_, sql, fields, message) => {
    const statementRunning = await running(judge(new Asking(), invocation(statement(sql))))
    expect(() => statementRunning.describe(fields)).toThrowError(unenforceable(message))
    expect(statementRunning.described).toBe(false)
  })

  test('another labelled column than the one that was judged contradicts lineage', async () => {
    const outputs = [{ name: 'x', sources: [{ resource: 'public.customers', part: 'email' }], copy: true, typeOid: 25 }]
    const statementRunning = await running(judge(new Asking(), invocation(statement('read secret #1', { outputs }))))
    expect(() => statementRunning.describe([field(CUSTOMERS, 2)])).toThrowError(unenforceable(/labelled column/))
  })

  test('of what runs unseen is the only one there is', async () => {
    const opaque = [{ what: 'procedure bank.report', error: new NormalizeError('ERR_NORMALIZE_OPAQUE', 'unseen') }]
    const calling = await running(judge(new Asking(), invocation(statement('read open #1', { opaque }))))
    calling.describe([field(NOTES, 1), field(NOTES, 1)])
    expect(calling.described).toBe(true)
    expect(() => calling.describe([field(CUSTOMERS, 2)])).toThrowError(unenforceable(/labelled column/))
  })

  test('as lineage has it is taken', async () => {
    const statementRunning = await running(judge(new Asking(), invocation(statement('read secret #1'))))
    statementRunning.describe([field(CUSTOMERS, 1), field(CUSTOMERS, 2)])
    expect(statementRunning.described).toBe(true)
  })
})

const uses = (resource: string, part: string) => [{ resource, part, use: 'predicate' as const }]

describe('the recorded view', () => {
  test('masks every value that meets a label or can’t be placed, where a labelled table is touched', async () => {
    const engine = new Asking()
    const asked = statement('read secret #1', {
      parameterUses: [uses('public.customers', 'ssn'), uses('public.customers', 'id'), 'unknown'],
    })
    await judge(engine, invocation(asked, { parameters: ['123', '5', 'x', 'unplaced'] }))
    const [request] = engine.requests
    expect(request?.block['parameters']).toEqual(['123', '5', 'x', 'unplaced'])
    expect(request?.recorded.block['parameters']).toEqual(['[masked]', '5', '[masked]', '[masked]'])
  })

  test('is the request itself where no labelled table is touched', async () => {
    const engine = new Asking()
    await judge(engine, invocation(statement('read open #1'), { parameters: ['5', undefined] }))
    const [request] = engine.requests
    expect(request?.recorded.block).toBe(request?.block)
    expect(request?.block['parameters']).toEqual(['5', '[binary]'])
  })
})

describe('a policy that was swapped meanwhile', () => {
  test('is asked again, and after three times given up', async () => {
    const twice = new Asking(undefined, 2)
    expect(await judge(twice, invocation(statement('read open #1')))).toMatchObject({ kind: 'run' })
    expect(twice.requests).toHaveLength(3)
    await expect(judge(new Asking(undefined, 3), invocation(statement('read open #1')))).rejects.toMatchObject({
      code: 'ERR_OBLIGATION_STALE',
    })
  })
})

test('a statement that can’t be named is refused without the client’s literals', async () => {
  const engine = new ScriptedEngine(AT_ONCE)
  const seen: unknown[] = []
  const session = Object.assign(engine, {
    refuse: (refusal: Parameters<ScriptedEngine['refuse']>[0]) => {
      seen.push(refusal)
      return ScriptedEngine.prototype.refuse.call(engine, refusal)
    },
  })
  const client: Client = { principal: AGENT, session, database: 'bank', user: 'reconciler', source: null }
  const error = new NormalizeError('ERR_NORMALIZE_SYNTAX', 'syntax error at "123-45-6789"', { position: 8 })
  const denial = await new Enforcer(client, engine.host(), {
    now: () => 0,
    key: null,
    maxRowBytes: 1 << 20,
    estimate: null,
  }).refuse(error, 'query')
  expect(denial).toMatchObject({ code: '42601', position: 8, message: 'syntax error at "123-45-6789"' })
  expect(JSON.stringify(seen)).not.toContain('123-45-6789')
})
