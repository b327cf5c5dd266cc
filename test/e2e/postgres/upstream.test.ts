import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  connectUpstream,
  QueryConnection,
  sendCancel,
  ServerRefusal,
  type UpstreamConfig,
  type UpstreamTls,
} from '../../../planes/postgres/upstream.ts'
import { issueCertificates } from '../../support/certificates.ts'
import { asSuperuser, type PostgresServer, startPostgres } from '../../support/postgres.ts'

const PASSWORD = 'correct horse battery staple'
const NO_TLS: UpstreamTls = { mode: 'off' }
const NOTHING: ReadonlyMap<string, string> = new Map()

function failure(code: string, message: RegExp): unknown {
  return expect.objectContaining({ code, message: expect.stringMatching(message) })
}

describe('a real server', () => {
  let server: PostgresServer
  let config: UpstreamConfig
  let verified: Extract<UpstreamTls, { mode: 'verify-full' }>

  beforeAll(async () => {
    server = await startPostgres({ bank: false, tls: true })
    const { host, port, database, user, password } = server
    config = { host, port, database, user, password, tls: NO_TLS, connectTimeoutMs: 10_000 }
    verified = { mode: 'verify-full', ca: readFileSync(server.ca ?? '', 'utf8'), serverName: null }
    await asSuperuser(
      server,
      'bank',
      `set password_encryption = 'md5'; create role old login password '${PASSWORD}'; create role anyone login`,
    )
  })
  afterAll(async () => {
    await server.stop()
  })

  async function withRule<T>(rule: string, run: () => Promise<T>): Promise<T> {
    const file = `${server.dataDirectory}/pg_hba.conf`
    const before = readFileSync(file)
    await writeFile(file, `${rule}\n${before.toString()}`)
    await reload()
    try {
      return await run()
    } finally {
      await writeFile(file, before)
      await reload()
    }
  }

  const loadedAt = async (): Promise<string> =>
    String((await asSuperuser(server, 'bank', 'select pg_conf_load_time()::text as at')).rows[0]?.at)

  /** The postmaster's next child tells when its parent last read the file. */
  async function reload(): Promise<void> {
    const before = await loadedAt()
    await asSuperuser(server, 'bank', 'select pg_reload_conf()')
    await expect.poll(loadedAt).not.toBe(before)
  }

  async function whoAmI(changes: Partial<UpstreamConfig>): Promise<readonly (string | null)[] | undefined> {
    const connection = await QueryConnection.open({ ...config, ...changes }, NOTHING)
    const [row] = await connection.query('select session_user, ssl from pg_stat_ssl where pid = pg_backend_pid()')
    connection.close()
    return row
  }

  test('SCRAM-SHA-256 in the clear, SCRAM-SHA-256-PLUS over TLS', async () => {
    expect(await whoAmI({})).toEqual(['postgres', 'f'])
    expect(await whoAmI({ tls: verified })).toEqual(['postgres', 't'])
  })

  test('MD5', async () => {
    await withRule('host all old all md5', async () => {
      expect(await whoAmI({ user: 'old', password: PASSWORD })).toEqual(['old', 'f'])
      await expect(whoAmI({ user: 'old', password: 'wrong' })).rejects.toThrowError(
        failure('ERR_UPSTREAM_AUTH', /28P01 password authentication failed/),
      )
    })
  })

  test('trust', async () => {
    await withRule('host all anyone all trust', async () => {
      expect(await whoAmI({ user: 'anyone', password: null })).toEqual(['anyone', 'f'])
    })
  })

  test('a password in the clear goes over TLS only', async () => {
    await withRule('host all old all password', async () => {
      expect(await whoAmI({ user: 'old', password: PASSWORD, tls: verified })).toEqual(['old', 't'])
      await expect(whoAmI({ user: 'old', password: PASSWORD })).rejects.toThrowError(
        failure('ERR_UPSTREAM_AUTH', /in the clear and the connection is not TLS/),
      )
    })
  })

  test('a wrong password, a missing one, an unknown database: the server’s own SQLSTATE', async () => {
    await expect(whoAmI({ password: PASSWORD })).rejects.toThrowError(
      failure('ERR_UPSTREAM_AUTH', /^(?!.*horse).*28P01 password authentication failed for user "postgres"$/),
    )
    await expect(whoAmI({ password: null })).rejects.toThrowError(
      failure('ERR_UPSTREAM_AUTH', /asks for a password and the configuration has none/),
    )
    await expect(connectUpstream({ ...config, database: 'nowhere' }, NOTHING)).rejects.toMatchObject({
      code: 'ERR_UPSTREAM_CONNECT',
      message: 'the server refused the connection: 3D000 database "nowhere" does not exist',
      retryable: false,
      cause: expect.any(ServerRefusal),
    })
  })

  test('a certificate from elsewhere, or for another name', async () => {
    const other: UpstreamTls = { mode: 'verify-full', ca: issueCertificates(['localhost']).ca, serverName: null }
    await expect(whoAmI({ tls: other })).rejects.toThrowError(failure('ERR_UPSTREAM_TLS', /unable to verify|signature/))
    await expect(whoAmI({ tls: { mode: 'verify-full', ca: null, serverName: null } })).rejects.toThrowError(
      failure('ERR_UPSTREAM_TLS', /unable to verify|self-signed/),
    )
    await expect(whoAmI({ tls: { ...verified, serverName: 'db.bank.example' } })).rejects.toThrowError(
      failure('ERR_UPSTREAM_TLS', /does not match certificate's altnames/),
    )
    expect(await whoAmI({ tls: { ...verified, serverName: 'localhost' } })).toEqual(['postgres', 't'])
  })

  test.each(['off', 'verify-full'])(
    'with TLS %s, the session is handed over at rest behind its first ReadyForQuery',
    async (mode) => {
      const startup = new Map([
        ['user', 'somebody_else'],
        ['application_name', 'agent'],
      ])
      const connection = await connectUpstream({ ...config, tls: mode === 'off' ? NO_TLS : verified }, startup)
      expect(connection.parameters.get('application_name')).toBe('agent')
      expect(connection.parameters.get('session_authorization')).toBe('postgres')
      expect(connection.cancelKey.secret.length).toBe(4)
      expect(connection.transactionStatus).toBe('I')
      expect(connection.socket.isPaused()).toBe(true)
      expect(connection.leftover.length).toBe(0)
      const answer = once(connection.socket, 'data')
      connection.socket.resume()
      connection.socket.write(Buffer.from('Q\0\0\0\x0dselect 1\0', 'latin1'))
      expect(await answer).toMatchObject([{ 0: 0x54 }])
      connection.socket.destroy()
    },
  )

  test('a Unix socket', async () => {
    const directory = `${server.dataDirectory}/../sockets`
    await withRule('local all all scram-sha-256', async () => {
      expect(await whoAmI({ host: directory })).toEqual(['postgres', 'f'])
    })
  })

  test.each(['off', 'verify-full'])(
    'with TLS %s, a cancel ends what the session is doing, and only that',
    async (mode) => {
      const used = { ...config, tls: mode === 'off' ? NO_TLS : verified }
      const connection = await connectUpstream(used, NOTHING)
      const received: Buffer[] = []
      connection.socket.on('data', (chunk: Buffer) => received.push(chunk)).resume()
      const statement = 'select pg_sleep(30)\0'
      const head = Buffer.from('Q....')
      head.writeInt32BE(statement.length + 4, 1)
      connection.socket.write(Buffer.concat([head, Buffer.from(statement)]))
      await sleep(100)
      await sendCancel(used, { ...connection.cancelKey, secret: Buffer.from('none') })
      await sleep(100)
      expect(received).toEqual([])
      await sendCancel(used, connection.cancelKey)
      while (received.length === 0) await sleep(10)
      expect(Buffer.concat(received).toString('latin1')).toContain('C57014\0')
      connection.socket.destroy()
    },
  )

  test('look-ups: rows as text, one after another, good after an error', async () => {
    const connection = await QueryConnection.open(config, new Map([['search_path', 'pg_catalog']]))
    const [first, second, refused, third] = await Promise.allSettled([
      connection.query('select 1, null, true; select 2, $$é$$, false'),
      connection.query(''),
      connection.query('select $$canary$$::int'),
      connection.query('show search_path'),
    ])
    expect(first).toMatchObject({
      value: [
        ['1', null, 't'],
        ['2', 'é', 'f'],
      ],
    })
    expect(second).toMatchObject({ value: [] })
    expect(refused).toMatchObject({ reason: failure('ERR_UPSTREAM_QUERY', /22P02 invalid input syntax/) })
    expect(third).toMatchObject({ value: [['pg_catalog']] })
    connection.close()
    connection.close()
    expect(connection.closed).toBe(true)
    await expect(connection.query('select 1')).rejects.toThrowError(failure('ERR_UPSTREAM_CLOSED', /is closed/))
  })

  test('look-ups: large answers', async () => {
    const connection = await QueryConnection.open(config, NOTHING)
    const rows = await connection.query(`select i, repeat('x', 100) from generate_series(1, 50000) as i`)
    expect(rows.length).toBe(50_000)
    expect(rows.at(-1)).toEqual(['50000', 'x'.repeat(100)])
    connection.close()
  })

  test('look-ups: given up, copied into, or terminated under way, the connection is gone', async () => {
    const abandoned = await QueryConnection.open(config, NOTHING)
    await expect(abandoned.query('select pg_sleep(30)', AbortSignal.timeout(50))).rejects.toThrowError(
      failure('ERR_UPSTREAM_CLOSED', /given up/),
    )
    expect(abandoned.closed).toBe(true)

    const copying = await QueryConnection.open(config, NOTHING)
    await copying.query('create temp table t(a int)')
    await expect(copying.query('copy t from stdin')).rejects.toThrowError(
      failure('ERR_UPSTREAM_PROTOCOL', /copyInResponse came/),
    )
    expect(copying.closed).toBe(true)

    const killed = await QueryConnection.open(config, NOTHING)
    await expect(killed.query('select pg_terminate_backend(pg_backend_pid())')).rejects.toThrowError(
      failure('ERR_UPSTREAM_CLOSED', /closed the connection/),
    )
    await expect(killed.query('select 1')).rejects.toThrowError(failure('ERR_UPSTREAM_CLOSED', /./))

    const idle = await QueryConnection.open(config, NOTHING)
    const [row] = await idle.query('select pg_backend_pid()')
    await asSuperuser(server, 'bank', `select pg_terminate_backend(${row?.[0]})`)
    while (!idle.closed) await sleep(10)
    await expect(idle.query('select 1')).rejects.toThrowError(failure('ERR_UPSTREAM_CLOSED', /is closed/))
  })
})
