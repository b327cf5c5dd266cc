import { describe, expect, test } from 'vitest'
import { configure } from '../../../planes/postgres/config.ts'

const LEAST = {
  listen: { host: '127.0.0.1', port: 6432 },
  upstream: { host: 'db.bank.example', port: 5432, user: 'countersign' },
  databases: ['bank'],
}

function complaint(raw: unknown): unknown {
  try {
    return configure(raw)
  } catch (error) {
    return error instanceof Error ? error.message : error
  }
}

describe('the plane’s section', () => {
  test('at its least is closed: TLS to the server, no plain text from a client, limits on everything', () => {
    expect(configure(LEAST)).toEqual({
      listen: LEAST.listen,
      tls: null,
      plaintextLoopback: false,
      upstream: {
        ...LEAST.upstream,
        password: null,
        tls: { mode: 'verify-full', ca: null, serverName: null },
        connectTimeoutMs: 10_000,
      },
      databases: ['bank'],
      oauth: null,
      trace: null,
      hold: { patienceMs: 900_000, heartbeatMs: 15_000 },
      estimates: false,
      limits: {
        connections: 500,
        authenticationMs: 20_000,
        queryBytes: 1 << 20,
        rowBytes: 1 << 26,
        outboxBytes: 1 << 20,
        statements: 10_000,
        statementBytes: 1 << 25,
        idleTransactionMs: 3_600_000,
        catalogueMs: 10_000,
      },
    })
  })

  test.each([
    ['no databases', { ...LEAST, databases: [] }, /databases/],
    ['another word for all databases', { ...LEAST, databases: 'all' }, /databases.*any/],
    ['an unknown key', { ...LEAST, plain: true }, /plain/],
    ['a TLS mode that checks nothing', { ...LEAST, upstream: { ...LEAST.upstream, tls: 'require' } }, /upstream\.tls/],
    ['plain text for everybody', { ...LEAST, plaintext: 'always' }, /plaintext/],
    ['a duration without a unit', { ...LEAST, hold: { patience: '15' } }, /hold\.patience/],
    ['a size without a unit', { ...LEAST, limits: { query: '1000' } }, /limits\.query/],
    ['no connection at all', { ...LEAST, limits: { connections: 0 } }, /limits\.connections/],
    ['a port that isn’t one', { ...LEAST, listen: { host: 'x', port: 70_000 } }, /listen\.port/],
    ['nothing', undefined, /./],
    [
      'an RDS token for a server that proves nothing',
      { ...LEAST, upstream: { ...LEAST.upstream, tls: 'off', password: { rds_iam: { region: 'eu-central-1' } } } },
      /upstream\.tls: expected verify-full/,
    ],
    [
      'an RDS token of no region',
      { ...LEAST, upstream: { ...LEAST.upstream, password: { rds_iam: {} } } },
      /upstream\.password\.rds_iam/,
    ],
    [
      'a password in the file, and one beside an RDS token',
      { ...LEAST, upstream: { ...LEAST.upstream, password: { rds_iam: { region: 'x' }, file: 'y' } } },
      /upstream\.password/,
    ],
    [
      'a password that is text',
      { ...LEAST, upstream: { ...LEAST.upstream, password: 'hunter2' } },
      /upstream\.password/,
    ],
  ])('refuses %s, by its path', (_, raw, message) => {
    expect(complaint(raw)).toMatch(message)
  })
})
