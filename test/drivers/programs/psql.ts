/** What psql prints, step by step (../steps.ts), over the connection that PG* variables give. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { printed } from './printed.ts'
import { report, TYPES } from './report.ts'

const FOREVER = 'SELECT count(*) FROM generate_series(1, 1000000000000)'

/** Terse: an error that the gateway answers itself names its decision in the hint. */
const psql = (script: string): Promise<string> =>
  printed('psql', ['-X', '-w', '-v', 'VERBOSITY=terse', '-f', '-'], script)

const CREATE = 'DROP TABLE IF EXISTS drivers_write;\nCREATE TABLE drivers_write (id int PRIMARY KEY, name text);\n'

const steps: Readonly<Record<string, () => Promise<unknown>>> = {
  types: () => psql(`${TYPES};\n${TYPES} \\gx\n`),
  read: () => psql('SELECT id, balance FROM accounts WHERE id >= 20 ORDER BY id;\n'),
  labelled: () => psql('SELECT name, ssn FROM customers WHERE id = 1;'),
  transactions: () =>
    psql(
      "BEGIN; SELECT 1/0; SELECT 1; ROLLBACK; BEGIN; SAVEPOINT s; SELECT 'x'::int4; ROLLBACK TO s; SELECT 2; COMMIT;\n",
    ),
  errors: () =>
    psql("SELECT 1/0;\nSELECT 'x'::int4;\nSELECT * FRM t;\nSELECT nothing FROM accounts;\nTABLE nowhere;\nSELECT 1;\n"),
  cancel: async () => {
    const args = ['-X', '-w', '-A', '-t', '-v', 'VERBOSITY=terse', '-c', 'SELECT 1', '-c', FOREVER, '-c', 'SELECT 2']
    const child = spawn('psql', args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const closed = once(child, 'close')
    let text = ''
    child.stderr.setEncoding('utf8').on('data', (more: string) => (text += more))
    child.stdout.setEncoding('utf8').on('data', (more: string) => (text += more))
    await once(child.stdout, 'data') // before it is connected, an interrupt ends psql itself
    while (!text.includes('ERROR')) {
      await sleep(300)
      child.kill('SIGINT')
    }
    await closed
    return text.replaceAll('Cancel request sent\n', '')
  },
  many: () =>
    psql("SELECT 'a'\\; SELECT id FROM accounts ORDER BY id\\; SELECT 'b';\nSELECT format('SELECT %s', 7) \\gexec\n"),
  reflect: () => psql('\\d accounts\n\\dt\n\\dv\n\\dn\n\\df bank.*\n\\du postgres\n\\l bank\n\\dT\n'),
  cursor: () => psql('\\set FETCH_COUNT 10\nSELECT generate_series(1, 25);\n'),
  write: () =>
    psql(
      `${CREATE}INSERT INTO drivers_write VALUES (1, 'a'), (2, 'b') RETURNING id;\nINSERT INTO drivers_write VALUES (1);\n` +
        "UPDATE drivers_write SET name = 'c' WHERE id = 1;\nDELETE FROM drivers_write WHERE id = 2;\nTABLE drivers_write;\n" +
        'DROP TABLE drivers_write;\n',
    ),
  copy_out: () =>
    psql('COPY (SELECT id, amount FROM transfers ORDER BY id) TO STDOUT;\n\\copy transfers TO STDOUT CSV HEADER\n'),
  copy_in: () =>
    psql(
      `${CREATE}COPY drivers_write FROM STDIN;\n1\tx\n2\t\\N\n\\.\nTABLE drivers_write;\nDROP TABLE drivers_write;\n`,
    ),
}

await report(steps, String, (step) => step(undefined))
