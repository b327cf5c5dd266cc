import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import { asSuperuser, startPostgres } from '../../support/postgres.ts'

test('a throwaway server has the bank in it, asks for its password, and goes without a trace', async () => {
  const server = await startPostgres()
  try {
    const { rows } = await asSuperuser(server, 'bank', 'SELECT ssn FROM customers WHERE id = 1')
    expect(rows).toEqual([{ ssn: '900-11-1111' }])
    const { host, port, user } = server
    await expect(new Client({ host, port, user, password: 'wrong', database: 'bank' }).connect()).rejects.toThrow(
      /password/,
    )
  } finally {
    await server.stop()
    await server.stop()
  }
  expect(existsSync(dirname(server.dataDirectory))).toBe(false)
  await expect(asSuperuser(server, 'bank', 'SELECT 1')).rejects.toThrow(/ECONNREFUSED/)
})

test('TLS with a certificate for its address', async () => {
  const server = await startPostgres({ bank: false, tls: true })
  try {
    const { host, port, user, password } = server
    const ca = await readFile(server.ca ?? '', 'utf8')
    const client = new Client({ host, port, user, password, database: 'bank', ssl: { ca } })
    await client.connect()
    expect((await client.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')).rows).toEqual([
      { ssl: true },
    ])
    await client.end()
  } finally {
    await server.stop()
  }
})

test('killed, it takes its connections with it', async () => {
  const server = await startPostgres({ bank: false })
  const { host, port, user, password } = server
  const client = new Client({ host, port, user, password, database: 'postgres' })
  const broken = new Promise<Error>((resolve) => client.on('error', resolve))
  await client.connect()
  await server.kill()
  expect(await broken).toBeInstanceOf(Error)
  await server.stop()
})
