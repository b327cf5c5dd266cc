import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { CompiledQuery } from 'kysely'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { bindingKey, openDatabase, type ApprovalRow } from '../../../engine/state/index.ts'

let directory: string
let path: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'countersign-state-'))
  path = join(directory, 'state.db')
  return () => rm(directory, { recursive: true })
})

const refusal = (code: string, message: RegExp): object =>
  expect.objectContaining({ name: 'StateError', code, message: expect.stringMatching(message) })

function row(overrides: Partial<ApprovalRow> = {}): ApprovalRow {
  return {
    id: 'a',
    kind: 'hold',
    review_due: null,
    state: 'requested',
    digest: 'd',
    policy_digest: 'p',
    requester_id: 'r',
    requester_issuer: 'i',
    requested_at: Date.UTC(2026, 0, 1),
    expires_at: Date.UTC(2026, 0, 2),
    version: 1,
    document: '{}',
    changing: null,
    ...overrides,
  }
}

describe('what can not be opened is refused', () => {
  it('a directory that is not there', async () => {
    const missing = join(directory, 'none', 'state.db')
    await expect(openDatabase(missing)).rejects.toEqual(
      refusal('ERR_STATE_OPEN', /none\/state\.db can't be opened: ENOENT/),
    )
  })

  it('a directory in place of a file', async () => {
    await expect(openDatabase(directory)).rejects.toEqual(refusal('ERR_STATE_OPEN', /can't be opened: EISDIR/))
  })

  it('a file that is something else, which it leaves alone', async () => {
    await writeFile(path, 'a diary, and no database at all, of more than a hundred bytes. '.repeat(5))
    await expect(openDatabase(path)).rejects.toEqual(refusal('ERR_STATE_OPEN', /file is not a database/))
    expect(await readFile(path, 'utf8')).toMatch(/^a diary/)
  })

  it('a schema from the future', async () => {
    await (await openDatabase(path)).destroy()
    const raw = new DatabaseSync(path)
    raw.exec('insert into schema_migrations values (99)')
    raw.close()
    await expect(openDatabase(path)).rejects.toEqual(
      refusal('ERR_STATE_MIGRATION', /at schema 99, this version knows \d+/),
    )
  })

  it('a table that is in the way of a migration, and nothing of that migration stays', async () => {
    const raw = new DatabaseSync(path)
    raw.exec('create table blocker (id); create index approvals_open on blocker (id)')
    raw.close()
    await expect(openDatabase(path)).rejects.toEqual(refusal('ERR_STATE_MIGRATION', /approvals_open already exists/))
    const after = new DatabaseSync(path)
    onTestFinished(() => after.close())
    expect(after.prepare("select name from sqlite_master where name = 'approvals'").all()).toEqual([])
    expect(after.prepare('select number from schema_migrations').all()).toEqual([])
  })
})

describe('an embedded database', () => {
  it('is nobody else’s to read', async () => {
    const database = await openDatabase(path)
    await database.insertInto('approvals').values(row()).execute()
    const modes = await Promise.all(
      [path, `${path}-wal`, `${path}-shm`].map(async (file) => (await stat(file)).mode & 0o777),
    )
    expect(modes).toEqual([0o600, 0o600, 0o600])
    await database.destroy()
  })

  it('keeps what was committed, and migrates once', async () => {
    const first = await openDatabase(path)
    await first.insertInto('approvals').values(row()).execute()
    await first.destroy()
    const second = await openDatabase(path)
    onTestFinished(() => second.destroy())
    expect({ ...(await second.selectFrom('approvals').selectAll().executeTakeFirstOrThrow()) }).toEqual(row())
  })

  it('rolls a transaction back whole', async () => {
    const database = await openDatabase(path)
    onTestFinished(() => database.destroy())
    const broken = database.transaction().execute(async (transaction) => {
      await transaction.insertInto('approvals').values(row()).execute()
      throw new Error('half way')
    })
    await expect(broken).rejects.toThrow('half way')
    expect(await database.selectFrom('approvals').selectAll().execute()).toEqual([])
  })

  it('lets one hold at a time be open for one request, and any number be settled', async () => {
    const database = await openDatabase(path)
    onTestFinished(() => database.destroy())
    const insert = (overrides: Partial<ApprovalRow>): Promise<unknown> =>
      database.insertInto('approvals').values(row(overrides)).execute()
    await insert({ id: 'a' })
    await expect(insert({ id: 'b' })).rejects.toThrow(/UNIQUE constraint failed/)
    await expect(insert({ id: 'b', state: 'granted' })).rejects.toThrow(/UNIQUE constraint failed/)
    await insert({ id: 'c', state: 'used' })
    await insert({ id: 'd', state: 'used' })
    await insert({ id: 'e', requester_issuer: 'other' })
  })

  it('syncs in full at every commit, and waits five seconds for another writer', async () => {
    const database = await openDatabase(path)
    onTestFinished(() => database.destroy())
    const setting = async (name: string): Promise<unknown> => {
      const { rows } = await database.executeQuery<object>(CompiledQuery.raw(`pragma ${name}`))
      return rows.flatMap((each) => Object.values(each))
    }
    expect(await setting('synchronous')).toEqual([2])
    expect(await setting('busy_timeout')).toEqual([5_000])
    expect(await setting('journal_mode')).toEqual(['wal'])
  })
})

it('one key for the digests of requests, made once, the same at every opening', async () => {
  const first = await openDatabase(path)
  const key = await bindingKey(first)
  expect(key).toHaveLength(32)
  expect(await bindingKey(first)).toEqual(key)
  await first.destroy()
  const second = await openDatabase(path)
  expect(await bindingKey(second)).toEqual(key)
  await second.destroy()
  const other = await openDatabase(':memory:')
  expect(await bindingKey(other)).not.toEqual(key)
  await other.destroy()
})
