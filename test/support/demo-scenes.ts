import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { once } from 'node:events'
import { Client, DatabaseError } from 'pg'
import { countersign } from './child.ts'
import { asSuperuser } from './postgres.ts'
import type { Stack } from './stack.ts'
import type { Transcript } from './transcript.ts'

type Row = Readonly<Record<string, string | null>>

/** What every scene plays with. */
export interface Scenery {
  readonly stack: Stack
  readonly tell: Transcript
  /** The agent's one session, with the ordinary driver. */
  readonly agent: Client
}

/** As the server sent it: the demo shows bytes, not what a driver makes of them. */
const AS_TEXT = { getTypeParser: () => (value: string | Buffer) => String(value) }

/** Connects as an agent does: its own name, its token for a password, and nothing of ours installed. */
export async function connectAgent({ line: { env } }: Stack): Promise<Client> {
  const { PGHOST: host, PGPORT, PGDATABASE: database, PGUSER: user, PGPASSWORD: password } = env
  const client = new Client({ host, port: Number(PGPORT), database, user, password, types: AS_TEXT })
  await client.connect()
  return client
}

export async function forwardedRead(scenery: Scenery): Promise<void> {
  const { tell, agent } = scenery
  tell.scene('A read that policy forwards')
  const sql = 'SELECT id, customer_id, balance FROM accounts ORDER BY id'
  tell.says('agent', sql)
  const { rows } = await agent.query<Row>(sql)
  tell.table(rows.slice(0, 3))
  tell.note(`  … ${rows.length} rows`)
  const unseen = await direct(scenery, sql)
  tell.claim('the same rows as the server gives without us', rows.length > 0 && sameRows(rows, unseen))
}

export async function maskedRead(scenery: Scenery): Promise<void> {
  const { tell, agent } = scenery
  tell.scene('A read whose identifiers are masked')
  const sql = 'SELECT name, ssn, email, phone, dob FROM customers ORDER BY id LIMIT 3'
  tell.says('agent', sql)
  const { rows } = await agent.query<Row>(sql)
  tell.table(rows)
  const unseen = await direct(scenery, sql)
  const seen = new Set(rows.flatMap((row) => Object.values(row)))
  const secrets = unseen
    .flatMap(({ ssn, email, phone, dob }) => [ssn, email, phone, dob])
    .filter((value) => value !== null)
  tell.claim(
    `none of the ${secrets.length} identifiers behind it came through`,
    secrets.length > 9 && !secrets.some((value) => seen.has(value ?? '')),
  )
  tell.claim(
    'names, which policy does not label, came through as they are',
    sameRows(rows.map(nameOnly), unseen.map(nameOnly)),
  )
  const leak = "SELECT name FROM customers WHERE ssn LIKE '900-11%'"
  tell.says('agent', leak)
  const refused = await refusal(agent, leak)
  tell.quote(refused?.message ?? 'no error')
  tell.claim('asking for a masked value by the back door of a WHERE is refused', refused?.code === '42501')
}

export async function rejectedDelete(scenery: Scenery): Promise<void> {
  const { tell, agent } = scenery
  tell.scene('A DELETE that policy rejects')
  const before = await direct(scenery, 'SELECT count(*) FROM transfers')
  const sql = 'DELETE FROM transfers'
  tell.says('agent', sql)
  const refused = await refusal(agent, sql)
  tell.quote(`ERROR ${refused?.code ?? ''}  ${refused?.message ?? 'no error'}`)
  tell.quote(`HINT  ${refused?.hint ?? 'none'}`)
  tell.claim(
    'the reason and the decision id came back in the protocol’s own words',
    refused?.code === '42501' && decisionIn(refused.hint) !== null,
  )
  const after = await direct(scenery, 'SELECT count(*) FROM transfers')
  tell.claim(
    `nothing reached the server: ${after[0]?.['count'] ?? '?'} transfers before and after`,
    sameRows(before, after),
  )
  const alive = await agent.query<Row>('SELECT 1 AS still_here')
  tell.claim('the agent’s session goes on', alive.rows[0]?.['still_here'] === '1')
}

const TRANSFER =
  'INSERT INTO transfers (from_account, to_account, amount) VALUES ($1, $2, $3) RETURNING id, amount, status'
const VALUES = ['10', '20', '250000.00']
const EXECUTED = 'SELECT id, from_account, to_account, amount, status FROM transfers WHERE amount = 250000'

/** Resolves with the decision's id. */
export async function heldTransfer(scenery: Scenery): Promise<string> {
  const { tell, agent, stack } = scenery
  const { approver, agent: agentPrincipal } = stack.line.principals
  tell.scene('A transfer of 250,000 that waits for a person')
  tell.says('agent', TRANSFER)
  tell.note(`       with ${VALUES.map((value, index) => `$${index + 1} = ${value}`).join(', ')}`)
  const asked = noticeOn(agent)
  const transfer = agent.query<Row>(TRANSFER, VALUES)
  transfer.catch(() => undefined) // awaited below; until then a refusal is no crash
  const notice = await Promise.race([asked, transfer.then(() => null)])
  tell.quote(`NOTICE  ${notice?.message ?? 'none'}`)
  const approval = /approval ([0-9a-f-]{36})/.exec(notice?.message ?? '')?.[1] ?? 'unknown'
  tell.claim('while it waits, the server has not seen it', (await direct(scenery, EXECUTED)).length === 0)

  const self = await approvals(stack, agentPrincipal.token, ['approve', approval, '--reason', 'it is fine'])
  tell.says('agent', 'countersign approvals approve … (with its own token)')
  tell.quote(self.stderr)
  tell.claim('an agent can’t approve for itself', self.status !== 0)

  tell.says('ann', 'countersign approvals show …')
  tell.quote((await approvals(stack, approver.token, ['show', approval])).stdout)
  tell.says('ann', 'countersign approvals approve … --reason "invoice 4711, checked by phone"')
  const approved = await approvals(stack, approver.token, [
    'approve',
    approval,
    '--reason',
    'invoice 4711, checked by phone',
  ])
  tell.quote(approved.stdout || approved.stderr)
  tell.claim('ann’s yes is taken', approved.status === 0)

  const { rows } = await transfer
  tell.note('the agent’s statement, still open, returns:')
  tell.table(rows)
  const executed = await direct(scenery, EXECUTED)
  tell.claim('the transfer was executed, once', executed.length === 1 && rows.length === 1)
  const again = await approvals(stack, approver.token, ['approve', approval, '--reason', 'again'])
  tell.claim('the approval is used up', again.status !== 0)
  return recordedDecision(stack, approval)
}

export async function evidenceOf(scenery: Pick<Scenery, 'tell' | 'stack'>, decision: string): Promise<void> {
  const { tell, stack } = scenery
  tell.scene('What the evidence says about that transfer')
  const records = (await recordsOf(stack)).filter((record) => record['decision'] === decision)
  for (const record of records) tell.note(`  ${String(record['event']).padEnd(20)} ${about(record)}`)
  const events = records.map((record) => String(record['event']))
  const wanted = [
    'decision.hold',
    'approval.requested',
    'approval.granted',
    'approval.used',
    'decision.forward',
    'outcome.ok',
  ]
  tell.claim('asked, granted by ann, used, released, done: in this order', wanted.join() === events.join())
}

export async function verifiedEvidence(scenery: Pick<Scenery, 'tell' | 'stack'>): Promise<void> {
  const { tell, stack } = scenery
  tell.scene('Evidence that anyone can check')
  await tell.step('The gateway is stopped, and closes its log …', stack.gateway.stop())
  tell.says('auditor', 'countersign evidence verify … --log-key log.pub')
  const logKey = ['--log-key', join(dirname(stack.line.config), 'log.pub')]
  const verified = await countersign(['evidence', 'verify', stack.evidence, ...logKey])
  tell.quote(verified.stdout || verified.stderr)
  tell.claim('verification passes', verified.status === 0)

  const copy = `${stack.evidence}-flipped`
  await cp(stack.evidence, copy, { recursive: true })
  const where = await flipOneByte(copy)
  tell.note(`one bit flipped in a copy: ${where}`)
  tell.says('auditor', 'countersign evidence verify … (the copy)')
  const tampered = await countersign(['evidence', 'verify', copy, ...logKey])
  tell.quote(findings(tampered.stdout))
  tell.claim('verification fails, and says where', tampered.status === 1)
}

async function direct({ stack }: Scenery, sql: string): Promise<readonly Row[]> {
  const { rows } = await asSuperuser(stack.postgres, 'bank', sql, AS_TEXT)
  return rows
}

async function refusal(agent: Client, sql: string): Promise<DatabaseError | null> {
  try {
    await agent.query(sql)
    return null
  } catch (error) {
    if (error instanceof DatabaseError) return error
    throw error
  }
}

interface Notice {
  readonly message?: string
}

async function noticeOn(agent: Client): Promise<Notice> {
  const [notice]: Notice[] = await once(agent, 'notice')
  if (notice === undefined) throw new Error('a notice without a message')
  return notice
}

function approvals({ line: { api } }: Stack, token: string, args: readonly string[]): ReturnType<typeof countersign> {
  return countersign(['approvals', ...args], { env: { COUNTERSIGN_API: api, COUNTERSIGN_TOKEN: token } })
}

function decisionIn(hint: string | undefined): string | null {
  return /[Dd]ecision ([0-9a-f-]{36})/.exec(hint ?? '')?.[1] ?? null
}

function nameOnly({ name }: Row): Row {
  return { name: name ?? null }
}

function sameRows(one: readonly Row[], other: readonly Row[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

type EvidenceRecord = Readonly<Record<string, unknown>>

async function recordsOf(stack: Stack): Promise<readonly EvidenceRecord[]> {
  const directory = join(stack.evidence, 'records')
  const texts = await Promise.all((await readdir(directory)).map((name) => readFile(join(directory, name), 'utf8')))
  const lines = texts.flatMap((text) => text.split('\n').filter((line) => line !== ''))
  return lines.map((line): EvidenceRecord => ({ ...fieldOf(JSON.parse(line), 'record') }))
}

async function recordedDecision(stack: Stack, approval: string): Promise<string> {
  const asked = (await recordsOf(stack)).find(
    (record) => record['event'] === 'approval.requested' && Reflect.get(fieldOf(record, 'approval'), 'id') === approval,
  )
  return String(asked?.['decision'])
}

function fieldOf(value: unknown, field: string): object {
  return Object(Reflect.get(Object(value), field))
}

function about(record: EvidenceRecord): string {
  const principal = String(Reflect.get(fieldOf(record, 'principal'), 'id') ?? '')
  const rows: unknown = Reflect.get(fieldOf(record, 'outcome'), 'rows')
  const reasons: unknown = record['reasons']
  const rule = Array.isArray(reasons) ? `rule ${String(Reflect.get(Object(reasons[0]), 'rule'))}` : ''
  return [principal, rule, typeof rows === 'number' ? `${rows} row` : ''].filter((part) => part !== '').join(', ')
}

/** The lowest bit of the first digit of the transfer's amount, where it was recorded last. */
async function flipOneByte(directory: string): Promise<string> {
  const [name = ''] = await readdir(join(directory, 'records'))
  const path = join(directory, 'records', name)
  const bytes = await readFile(path)
  const at = bytes.lastIndexOf('250000.00')
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
  await writeFile(path, bytes)
  return `records/${name}, byte ${at}: 250000.00 reads ${bytes.toString('latin1', at, at + 9)} now`
}

function findings(report: string): string {
  const start = report.indexOf('Findings')
  return start === -1 ? report : report.slice(start)
}
