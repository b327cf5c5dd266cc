import { afterAll, beforeAll, expect, test } from 'vitest'
import { countersign } from '../../support/child.ts'
import { direct } from '../../support/direct.ts'
import { mountSmallDisk } from '../../support/small-disk.ts'
import type { SmallDisk } from '../../support/small-disk.ts'
import { startStack } from '../../support/stack.ts'
import type { Stack } from '../../support/stack.ts'
import { brief, WireClient } from '../../support/wire-client.ts'

let stack: Stack
let disk: SmallDisk | null

beforeAll(async () => {
  stack = await startStack()
  await stack.gateway.stop()
  disk = mountSmallDisk(stack.evidence, 4)
  await stack.gateway.restart()
})
afterAll(async () => {
  await stack?.gateway.stop()
  disk?.unmount()
  await stack?.stop()
})

const open = (): Promise<WireClient> =>
  WireClient.open(stack.line.gateway, { token: stack.line.principals.agent.token, database: 'bank' })

const transferState = (): Promise<unknown> =>
  direct(stack, 'SELECT last_value, (SELECT count(*) FROM transfers) FROM transfers_id_seq')

test('on a full disk nobody is answered and the gateway ends; with room again it goes on where it was', async (context) => {
  if (disk === null) return context.skip('needs the right to mount a tmpfs')
  const before = await transferState()
  const [reading, writing, idle] = await Promise.all([open(), open(), open()])
  expect((await reading.query('SELECT name FROM customers WHERE id = 1')).map(brief)).toContain('D Alice Archer')
  for (const client of [reading, writing, idle]) client.bytes.length = 0

  disk.fill()
  reading.send({ kind: 'query', sql: 'SELECT name, ssn FROM customers' })
  writing.send({ kind: 'query', sql: 'INSERT INTO transfers (from_account, to_account, amount) VALUES (10, 20, 1)' })
  for (const client of [reading, writing, idle]) {
    const came = await client.untilClosed()
    // 58030 to whoever asked when the write failed, 57P01 to whom the gateway's end reached first: one FATAL error, no row.
    expect(came.map(brief)).toEqual([expect.stringMatching(/^E (58030|57P01)$/)])
    expect(Buffer.concat(client.bytes).toString('latin1')).toMatch(/^E[^]{4}SFATAL\0/)
  }
  expect(await stack.gateway.exited).toBe(74)
  expect(stack.gateway.log).toContain('"log.write_failed"')
  expect(await transferState()).toEqual(before)

  await expect(stack.gateway.restart()).rejects.toThrow(/ERR_EVIDENCE_(WRITE|DIRECTORY)/)
  disk.free()
  await stack.gateway.restart()
  const client = await open()
  expect((await client.query('SELECT name FROM customers WHERE id = 1')).map(brief)).toContain('D Alice Archer')
  client.end()
  const { status, stdout } = await countersign(['evidence', 'verify', stack.evidence])
  expect([status, stdout]).toEqual([0, expect.stringContaining('crashed, closed by the next writer')])
})
