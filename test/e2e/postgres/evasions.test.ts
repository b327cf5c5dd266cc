import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { BackendMessage } from '../../../planes/postgres/codec/backend-messages.ts'
import type { FrontendMessage } from '../../../planes/postgres/codec/frontend-messages.ts'
import { canariesIn } from '../../support/canaries.ts'
import { type Stack, startStack } from '../../support/stack.ts'
import { direct, openDirect } from '../../support/direct.ts'
import { brief, WireClient } from '../../support/wire-client.ts'

/** A statement that tries to get past the gateway, and what it may come to. */
interface Evasion {
  readonly id: string
  readonly sql: string
  readonly setup?: readonly string[]
  readonly params?: readonly unknown[]
  readonly proto?: { readonly name: string }
  readonly expect: {
    readonly ok: readonly ('allow' | 'mask' | 'deny' | 'hold')[]
    readonly leakForms?: readonly string[]
  }
}

const evasions = readFileSync('test/fixtures/evasions.jsonl', 'utf8')
  .trimEnd()
  .split('\n')
  .map((line): Evasion => JSON.parse(line))

let stack: Stack
let bankBefore: unknown

beforeAll(async () => {
  stack = await startStack()
  bankBefore = await bank()
})
afterAll(() => stack?.stop())

/** Everything that an agent could have changed. */
async function bank(): Promise<unknown> {
  const tables = ['customers', 'accounts', 'transfers', 'audit_log', 'customers_archive', 'events', 'private.customers']
  const rows = await Promise.all(tables.map((table) => direct(stack, `SELECT * FROM ${table} t ORDER BY t::text`)))
  const objects = await direct(
    stack,
    `SELECT c.oid::text, relname, relacl::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
     WHERE nspname IN ('public', 'private', 'bank') OR nspname LIKE 'pg_temp%' ORDER BY 1`,
  )
  return [rows, objects]
}

const open = () => WireClient.open(stack.line.gateway, { token: stack.line.principals.agent.token, database: 'bank' })

const parse = (sql: string, name = ''): FrontendMessage => ({ kind: 'parse', name, sql, parameterTypes: [] })
const bind = (
  statement: string,
  parameters: readonly unknown[],
  resultFormats: readonly (0 | 1)[] = [],
): FrontendMessage => ({
  kind: 'bind',
  portal: '',
  statement,
  formats: [],
  parameters: parameters.map((value) => Buffer.from(String(value))),
  resultFormats,
})
const describePortal: FrontendMessage = { kind: 'describe', target: 'portal', name: '' }
const execute: FrontendMessage = { kind: 'execute', portal: '', maxRows: 0 }
const sync: FrontendMessage = { kind: 'sync' }

type Sequence = readonly FrontendMessage[]

/** The message sequences that the corpus names, batch by batch. */
const SEQUENCES: Readonly<Record<string, (sql: string, params: readonly unknown[]) => readonly Sequence[]>> = {
  'binary-result': (sql, params) => [[parse(sql), bind('', params, [1]), describePortal, execute, sync]],
  'date-binary-result': (sql, params) => [[parse(sql), bind('', params, [1]), execute, sync]],
  'describe-statement-only': (sql, params) => [
    [parse(sql, 's1'), { kind: 'describe', target: 'statement', name: 's1' }, sync],
    [bind('s1', params), execute, sync],
    [bind('s1', params), execute, sync],
  ],
  'reparse-unnamed': (sql) => [[parse('SELECT 1'), parse(sql), bind('', []), execute, sync]],
  'wire-parse-sql-execute': (sql) => [[parse('SELECT ssn FROM customers', 'wq'), sync], [{ kind: 'query', sql }]],
  'pipeline-after-deny': () => [
    [parse("SELECT ssn || '' FROM customers", 'older'), sync],
    [parse('DELETE FROM transfers', 'denied'), bind('older', []), execute, sync],
    [{ kind: 'query', sql: 'SELECT 1' }],
  ],
  'function-call': () => [[{ kind: 'functionCall', functionOid: 2930, rest: Buffer.from([0, 0, 0, 0, 0, 0]) }]],
}

function sequences({ sql, params = [1], proto }: Evasion): readonly Sequence[] {
  return SEQUENCES[proto?.name ?? '']?.(sql, params) ?? [[{ kind: 'query', sql }]]
}

async function run(client: WireClient, messages: readonly FrontendMessage[]): Promise<BackendMessage[]> {
  client.send(...messages)
  return client.until('readyForQuery')
}

function came(messages: readonly BackendMessage[]): 'data' | 'denied' {
  return messages.some((message) => message.kind === 'errorResponse') ? 'denied' : 'data'
}

describe('statements that try to get past', () => {
  test.each(evasions.filter(({ proto }) => proto?.name !== 'early-data'))('$id: $sql', async (evasion) => {
    const client = await open()
    for (const sql of evasion.setup ?? []) await client.query(sql)
    let last: BackendMessage[] = []
    for (const messages of sequences(evasion)) last = await run(client, messages)
    client.destroy()
    const { ok, leakForms = [] } = evasion.expect
    expect(canariesIn(Buffer.concat(client.bytes), leakForms)).toEqual([])
    const allowed = ok.includes('allow') || ok.includes('mask') || evasion.proto?.name === 'pipeline-after-deny'
    const wanted: string[] = [
      ...(allowed ? ['data'] : []),
      ...(ok.includes('deny') || ok.includes('hold') ? ['denied'] : []),
    ]
    expect({ came: came(last), wanted, last: last.map(brief) }).toMatchObject({ came: expect.toBeOneOf(wanted) })
  })

  test('SSLRequest and a startup message in one segment', async () => {
    const client = await WireClient.connect(stack.line.gateway)
    const startup = Buffer.from('\0\0\0\x1e\0\x03\0\0user\0x\0database\0bank\0\0', 'latin1')
    client.raw(Buffer.concat([Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]), startup]))
    const messages = await client.untilClosed().catch(() => [])
    expect(messages.map((message) => message.kind)).not.toContain('authenticationCleartextPassword')
  })

  test.each(evasions.filter(({ id, expect: { ok } }) => id.startsWith('control') && ok.includes('allow')))(
    '$id is answered byte for byte as by the server',
    async ({ sql }) => {
      const [through, direct] = await Promise.all([open(), openDirect(stack)])
      const [ours, theirs] = await Promise.all([through.query(sql), direct.query(sql)])
      expect(ours).toEqual(theirs)
      through.end()
      direct.end()
    },
  )
})

describe('afterwards', () => {
  test('nothing in the bank has changed', async () => {
    expect(await bank()).toEqual(bankBefore)
  })

  test('no canary, in whatever form a case names, is in the evidence, nor in the gateway’s log', async () => {
    await stack.gateway.stop() // else tiles come and go under our reading
    const forms = evasions.flatMap(({ expect: { leakForms = [] } }) => leakForms).filter(({ length }) => length > 3) // '900' stands in any clock
    const files = readdirSync(stack.line.dataDir, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    )
    const found = files
      .map((file) => join(file.parentPath, file.name))
      .filter((path) => !path.includes('/postgres/'))
      .flatMap((path) => canariesIn(readFileSync(path), forms).map((canary) => `${path}: ${canary}`))
    expect(found).toEqual([])
    expect(canariesIn(Buffer.from(stack.gateway.log), forms)).toEqual([])
    expect(stack.gateway.log).toContain('gateway.listening') // its first line: none has been let go
  })
})
