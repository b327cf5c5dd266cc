import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checkSession, collectSession, listSessions, type SessionCheck } from '../../../engine/replay/index.ts'

/** The published vectors, which every verifier of the log is held against: here, what one session's evidence can show of them. */
const BASE = 'docs/evidence-vectors'

interface Vector {
  readonly name: string
  readonly directory: string
  readonly log_key: string | null
  readonly witness_keys: readonly string[]
  readonly exit: number
}

const VECTORS: readonly Vector[] = JSON.parse(readFileSync(join(BASE, 'vectors.json'), 'utf8'))

function named(name: string): Vector {
  const vector = VECTORS.find((each) => each.name === name)
  if (vector === undefined) throw new Error(`no vector ${name}`)
  return vector
}

/** All checks of all sessions, the worst of each. Throws where the files can't be read as a log. */
async function judged({
  directory,
  log_key: key,
  witness_keys: witnesses,
}: Vector): Promise<Readonly<Record<string, string>>> {
  const path = join(BASE, directory)
  const keys = [...(key === null ? [] : [key]), ...witnesses]
  const states: Record<string, string> = {}
  for (const { session } of await listSessions(path, 10)) {
    const evidence = await collectSession(path, session)
    const check: SessionCheck | null = evidence === null ? null : await checkSession(evidence, keys)
    for (const { name, state } of check?.checks ?? []) if (states[name] !== 'bad') states[name] = state
  }
  return states
}

test.each(VECTORS.filter(({ exit }) => exit === 0))('$name: nothing of its sessions is called bad', async (vector) => {
  const states = await judged(vector)
  expect(Object.values(states)).not.toContain('bad')
  expect(states).toMatchObject({ bytes: 'ok', recording: 'ok', inclusion: 'ok', signature: 'ok' })
})

test('the whole one is seen by its witness', async () => {
  expect(await judged(named('whole'))).toMatchObject({ witness: 'ok', payloads: 'ok' })
})

/** What shows in the session itself, and by which check; what else is wrong with a log is `evidence verify`'s to find. */
const SHOWN: Readonly<Record<string, string>> = {
  'middle-record-dropped': 'inclusion',
  'two-records-swapped': 'inclusion',
  'frame-replaced': 'recording',
  'payload-replaced': 'bytes',
  'payload-erased': 'payloads',
  'payload-taken-out': 'bytes',
  'recording-truncated': 'recording',
  'recording-deleted': 'recording',
  'approval-backdated': 'session',
  'approval-used-twice': 'session',
  'signed-with-a-new-key': 'signature',
  'old-key-after-its-rotation': 'signature',
  'key-of-another-log': 'signature',
  'rotation-by-one-key': 'signature',
  'key-compromised': 'signature',
  'history-written-anew': 'inclusion',
  'tile-changed': 'inclusion',
  'cosignature-forged': 'witness',
}

test.each(Object.entries(SHOWN))('%s is bad by its %s', async (name, by) => {
  expect(await judged(named(name))).toMatchObject({ [by]: 'bad' })
})

test.each(['byte-flipped', 'tile-deleted'])('%s can’t be read as a log', async (name) => {
  await expect(judged(named(name))).rejects.toMatchObject({ code: 'ERR_EVIDENCE_TAMPERED' })
})
