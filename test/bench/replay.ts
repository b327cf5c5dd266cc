/**
 * `npm run bench:replay`: 10,000 decisions through the engine's own rooms, then replayed under the policy they were made by
 * (nothing may differ) and under a changed one; prints what a person reads.
 */
import { execFile } from 'node:child_process'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { main } from '../../cli/main.ts'
import { regocBinary } from '../../tools/regoc.ts'
import { randomRequest } from '../support/random-requests.ts'
import { openRooms, type TestRooms } from '../support/rooms.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const DECISIONS = Number(process.argv[2] ?? 10_000)
const STARTER = join(ROOT, 'policies', 'dist', 'starter.tar.gz')

async function decided(rooms: TestRooms): Promise<void> {
  const random = seededRandom(7)
  const { signal } = new AbortController()
  const pending: Promise<unknown>[] = []
  for (let at = 0; at < DECISIONS; at += 1) {
    const request = randomRequest(random, rooms.policy.current().reference.digest, rooms.clock)
    // Nobody waits for a hold: its decision is recorded, and that is all.
    pending.push(rooms.session(request.principal).decide(request, { signal, patienceMs: 1 }))
    if (pending.length === 100) await Promise.all(pending.splice(0))
  }
  await Promise.all(pending)
}

/** The starter pack with dates of birth not shown at all, and reading accounts held. */
async function changedBundle(home: string): Promise<string> {
  const policies = join(home, 'policies')
  await cp(join(ROOT, 'policies'), policies, { recursive: true })
  const { planes }: { readonly planes: readonly { readonly schema: string }[] } = JSON.parse(
    await readFile(join(policies, 'starter.json'), 'utf8'),
  )
  const schemas = planes.map(({ schema }) => join('policies', schema))
  for (const room of [...schemas, 'compliance-mappings']) {
    await cp(join(ROOT, room), join(home, room), { recursive: true })
  }
  await edit(join(policies, 'bank/data/masks.yaml'), /dob: date-year/g, 'dob: redact')
  await writeFile(join(policies, 'bank', 'accounts.rego'), HOLD_ACCOUNTS)
  const out = join(home, 'changed.tar.gz')
  const pack = JSON.parse(await readFile(join(policies, 'starter.json'), 'utf8'))
  await writeFile(join(policies, 'changed.json'), JSON.stringify({ ...pack, name: 'changed', self_test: undefined }))
  await promisify(execFile)(await regocBinary(), ['build', '--pack', join(policies, 'changed.json'), '--out', out])
  return out
}

const HOLD_ACCOUNTS = `package countersign.postgres

import data.countersign.lib

# METADATA
# title: Reading accounts waits for payments
# custom:
#   id: hold-accounts
#   controls: [IS.II.C.15]
hold contains lib.tagged(
	rego.metadata.rule(),
	{"approvers": ["payments"], "quorum": 1, "expires_in": 900, "reason_required": true},
) if {
	input.action.class == "read"
	some resource in input.resources
	resource.name == "public.accounts"
}
`

async function edit(path: string, from: RegExp, to: string): Promise<void> {
  const before = await readFile(path, 'utf8')
  const after = before.replaceAll(from, to)
  if (after === before) throw new Error(`${path} has nothing like ${from.source}`)
  await writeFile(path, after)
}

await using rooms = await openRooms()
using temporary = temporaryDirectory()
// Waiting for an answer to a hold keeps no process alive.
const alive = setInterval(() => {}, 1000)
await decided(rooms)
const changed = await changedBundle(temporary.path)
for (const [title, bundle] of [
  ['the same policy', STARTER],
  ['a changed one', changed],
] as const) {
  console.log(`\n== ${DECISIONS} recorded decisions under ${title}\n`)
  const code = await main(['policy', 'replay', bundle, '--evidence', rooms.directory], process)
  if (code !== (bundle === STARTER ? 0 : 1)) process.exitCode = 1
}
clearInterval(alive)
