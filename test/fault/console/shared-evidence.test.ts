import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkSession, parseSessionEvidence } from '../../../engine/replay/index.ts'
import { countersign } from '../../support/child.ts'
import { startPair, type Pair } from '../../support/pair.ts'

let pair: Pair
beforeAll(async () => {
  pair = await startPair()
})
afterAll(async () => {
  await pair?.[Symbol.asyncDispose]()
})

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const [, other] = pair.gateways
  const authorization = `Bearer ${other.line.principals.auditor.token}`
  return fetch(`${other.line.api}${path}`, {
    ...init,
    headers: { authorization, ...(init.body === undefined ? {} : { 'content-type': 'application/json' }) },
  })
}

/** Asked until it is so: evidence is signed about a second behind. */
async function until<T>(look: () => Promise<T | null>): Promise<T> {
  for (;;) {
    const found = await look()
    if (found !== null) return found
    await sleep(200)
  }
}

test('a session at one gateway is replayed, checked and exported at the other, out of the database of both', async () => {
  const [one] = pair.gateways
  const { user, token } = one.line.principals.agent
  const client = new Client({ ...one.line.gateway, user, password: token })
  await client.connect()
  await client.query('SELECT id, ssn FROM customers ORDER BY id LIMIT 2')
  await client.end()
  const session = await until(async () => {
    const { sessions } = Object(await (await ask('/v1/sessions?state=ended')).json())
    return sessions.length === 0 ? null : String(sessions[0].id)
  })
  const check = await until(async () => {
    const response = await ask(`/v1/sessions/${session}/evidence`)
    expect(response.status).toBe(200)
    const evidence = parseSessionEvidence(JSON.parse(await response.text()))
    if (evidence === undefined) throw new Error('no evidence of a session')
    const checked = await checkSession(evidence, [pair.logKey])
    return checked.checks.some(({ name, state }) => name === 'inclusion' && state !== 'ok') ? null : checked
  })
  expect(check.checks.filter(({ state }) => state === 'bad')).toEqual([])

  const body = JSON.stringify({ session })
  expect((await ask('/v1/exports', { method: 'POST', body })).status).toBe(202)
  const made = await until(async () => {
    const { exports } = Object(await (await ask('/v1/exports')).json())
    return exports[0].state === 'making' ? null : exports[0]
  })
  expect(made).toMatchObject({ state: 'ready', problem: null })
  const home = await mkdtemp(join(tmpdir(), 'countersign-shared-'))
  try {
    const archive = join(home, 'bundle.tar.gz')
    await writeFile(archive, Buffer.from(await (await ask(`/v1/exports/${made.id}/bundle`)).arrayBuffer()))
    expect(spawnSync('tar', ['xzf', archive, '-C', home]).status).toBe(0)
    const bundle = join(home, 'evidence-bundle')
    const verified = await countersign(['evidence', 'verify', bundle, '--log-key', pair.logKey])
    expect([verified.status, verified.stderr]).toEqual([0, ''])
  } finally {
    await rm(home, { recursive: true })
  }
})
