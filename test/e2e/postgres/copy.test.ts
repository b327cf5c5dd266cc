import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runChild, type ChildResult } from '../../support/child.ts'
import { evidenceBytes } from '../../support/evidence-trace.ts'
import { findPsql } from '../../support/psql.ts'
import { findPython } from '../../support/python.ts'
import { startStack } from '../../support/stack.ts'
import type { Stack } from '../../support/stack.ts'

const psql = findPsql()
const python = findPython()

let stack: Stack
beforeAll(async () => {
  stack = await startStack({ policy: 'allow-all' })
})
afterAll(() => stack?.stop())

type Environment = Readonly<Record<string, string>>

function direct(): Environment {
  const { host, port, database, user, password } = stack.line.upstream
  return { PGHOST: host, PGPORT: String(port), PGDATABASE: database, PGUSER: user, PGPASSWORD: password }
}

/** The same through the gateway and at the server itself. */
async function both(command: string, args: readonly string[]): Promise<readonly [ChildResult, ChildResult]> {
  const run = (env: Environment): Promise<ChildResult> =>
    runChild(command, args, { env: { ...env, PGSSLMODE: 'disable' }, timeoutMs: 60_000 })
  return Promise.all([run(stack.line.env), run(direct())])
}

describe.skipIf(psql === null)('COPY to the client, through psql', () => {
  test.each([
    ['a table', 'COPY transfers TO STDOUT'],
    ['columns, as CSV with a header', 'COPY transfers (id, amount) TO STDOUT WITH (FORMAT csv, HEADER)'],
    ['a query', 'COPY (SELECT id, name FROM customers ORDER BY id) TO STDOUT'],
    ['binary', 'COPY (SELECT id, amount FROM transfers ORDER BY id) TO STDOUT WITH (FORMAT binary)'],
    ['nothing', 'COPY (SELECT 1 WHERE false) TO STDOUT'],
    ['a hundred thousand rows', "COPY (SELECT i, 'row ' || i FROM generate_series(1, 100000) AS i) TO STDOUT"],
    ['several, with what is around them', 'SELECT 1; COPY (SELECT 2) TO STDOUT; SELECT 3; COPY (SELECT 4) TO STDOUT'],
    ['a failure in the middle of it', 'COPY (SELECT 1 / (3 - i) FROM generate_series(1, 5) AS i) TO STDOUT'],
  ])('%s is what it is directly', async (_, sql) => {
    const [gateway, server] = await both(psql ?? '', ['-X', '-q', '-At', '-v', 'VERBOSITY=verbose', '-c', sql])
    expect([gateway.status, gateway.stdout]).toEqual([server.status, server.stdout])
    const code = /\b[0-9A-Z]{5}\b/
    expect(code.exec(gateway.stderr)?.[0]).toBe(code.exec(server.stderr)?.[0])
  })

  test('what was copied is in the recording', async () => {
    await both(psql ?? '', ['-X', '-c', "COPY (SELECT 'a mark in a copy') TO STDOUT"])
    expect(evidenceBytes(stack.evidence).includes('a mark in a copy\\n')).toBe(true)
  })
})

const SCRIPT = `
import json, psycopg
with psycopg.connect(autocommit=True) as connection:
    seen = []
    for options in ("", "WITH (FORMAT binary)"):
        with connection.cursor().copy(f"COPY (SELECT id, amount FROM transfers ORDER BY id) TO STDOUT {options}") as copy:
            seen.append(b"".join(bytes(chunk) for chunk in copy).hex())
    with connection.cursor().copy("COPY (SELECT i, NULL FROM generate_series(1, 1000) AS i) TO STDOUT") as copy:
        seen.append(sum(1 for _ in copy.rows()))
    with connection.cursor().copy("COPY (SELECT i FROM generate_series(1, 10000000) AS i) TO STDOUT") as copy:
        for _ in zip(copy, range(3)):
            pass
        connection.cancel()
        try:
            for _ in copy:
                pass
        except psycopg.Error as error:
            seen.append(error.sqlstate)
    seen.append(connection.execute("SELECT 'still here'").fetchone()[0])
    print(json.dumps(seen))
`

test.skipIf(python === null)('through psycopg, with a cancel in the middle', async () => {
  const [gateway, server] = await both(python ?? '', ['-c', SCRIPT])
  expect(gateway).toEqual(server)
  expect(JSON.parse(gateway.stdout)).toEqual([expect.any(String), expect.any(String), 1000, '57014', 'still here'])
})
