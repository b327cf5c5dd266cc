import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { parseCheckpoint, signCheckpoint } from '../../../engine/evidence/checkpoint.ts'
import { verifierText, verifyEvidence, type NoteSigner, type Trust } from '../../../engine/evidence/index.ts'
import { rotationDraft } from '../../../engine/evidence/rotation.ts'
import { cosigner, witnessedNote } from './cosigned.ts'
import { dieRotating } from './dying-rotation.ts'
import type { Fault } from './failing-files.ts'
import { logSigner, openSigned, signedDirectory } from './signed.ts'
import { crashCopy, openLog, scratch, stepClock, writeSession } from './workbench.ts'

const KEYS = [logSigner(7), logSigner(8), logSigner(9)] as const
const [first, second, third] = KEYS

async function found(directory: string, trust: Trust): Promise<readonly string[]> {
  const { status, findings } = await verifyEvidence(directory, trust)
  return [status, ...findings.map(({ message }) => message)]
}

let day = 10

/** One more life of the gateway, with a session, under this key. */
async function life(directory: string, signer: NoteSigner, previousSigner?: NoteSigner): Promise<void> {
  day += 1
  const previous = previousSigner === undefined ? {} : { previousSigner }
  const log = await openSigned(directory, { ...stepClock(Date.UTC(2026, 3, day)), signer, ...previous })
  await writeSession(log, `s-${day}`, 3)
  await log.close()
}

/** Two lives under the first key, one under the second. */
async function rotated(): Promise<string> {
  const directory = await signedDirectory(2, first)
  await life(directory, second, first)
  return directory
}

const checkpointIn = (directory: string): string => readFileSync(join(directory, 'log/checkpoint'), 'utf8')
const logKey = ({ verifier }: NoteSigner): Trust => ({ logKey: verifier })

/** The checkpoint of a directory, signed again by somebody. */
function signAgain(directory: string, by: NoteSigner): void {
  const checkpoint = parseCheckpoint(checkpointIn(directory))
  if (checkpoint === undefined) throw new Error('no checkpoint')
  writeFileSync(join(directory, 'log/checkpoint'), signCheckpoint(checkpoint, by))
}

/** A record that says what it likes, in a log whose holder signs it. */
async function recorded(detail: (directory: string) => object | undefined): Promise<string> {
  const directory = await signedDirectory(2, first)
  const log = await openSigned(directory, { ...stepClock(Date.UTC(2026, 3, 20)), signer: first })
  await log.append({ event: 'key.rotated', detail: JSON.parse(JSON.stringify(detail(directory) ?? {})) }).durable
  await log.close()
  return directory
}

function statement(directory: string, old: NoteSigner, next: NoteSigner): Record<string, unknown> {
  const checkpoint = parseCheckpoint(checkpointIn(directory))
  if (checkpoint === undefined) throw new Error('no checkpoint')
  return { ...rotationDraft(checkpoint, old, next).detail }
}

async function compromised(from: (size: number) => number): Promise<{ directory: string; old: string; size: number }> {
  const directory = await signedDirectory(2, first)
  const old = checkpointIn(directory)
  const size = parseCheckpoint(old)?.size ?? 0
  day += 1
  const log = await openSigned(directory, {
    ...stepClock(Date.UTC(2026, 3, day)),
    signer: second,
    previousSigner: first,
  })
  const key = verifierText(first.verifier)
  await log.append({ event: 'key.compromised', detail: { key, from: from(size), reason: 'found on a laptop' } }).durable
  await log.close()
  return { directory, old, size }
}

/** A statement without its second signature. */
function halved(text: unknown): string {
  if (typeof text !== 'string') throw new Error('no statement')
  return text.split('\n').toSpliced(-2, 1).join('\n')
}

describe('a log’s key gives way to the next', () => {
  it('in one record, which both sign; whoever knows one of the keys verifies all', async () => {
    const directory = await rotated()
    await life(directory, second)
    await life(directory, third, second)
    for (const key of KEYS) expect(await found(directory, logKey(key))).toEqual(['ok'])
    expect(await found(directory, {})).toEqual(['ok'])
    const { log, events } = await verifyEvidence(directory, logKey(first))
    expect(events).toMatchObject({ 'key.rotated': 2 })
    expect(log?.keys).toMatchObject([
      { key: verifierText(first.verifier), after: null },
      { key: verifierText(second.verifier) },
      { key: verifierText(third.verifier), to: null },
    ])
    expect(log?.signature).toBe('verified')
  })

  it('once: the previous key may stay in the configuration', async () => {
    const directory = await rotated()
    await life(directory, second, first)
    expect((await verifyEvidence(directory, logKey(first))).events).toMatchObject({ 'key.rotated': 1 })
    expect(await found(directory, logKey(first))).toEqual(['ok'])
  })

  it('and nothing is recorded where nothing was signed before', async () => {
    const directory = scratch()
    await life(directory, second, first)
    expect((await verifyEvidence(directory, logKey(second))).events['key.rotated']).toBeUndefined()
  })

  it('an earlier checkpoint of the key before is continued', async () => {
    const directory = await signedDirectory(2, first)
    const since = checkpointIn(directory)
    await life(directory, second, first)
    for (const key of [first, second]) expect(await found(directory, { ...logKey(key), since })).toEqual(['ok'])
  })

  it('with records that nothing had signed under the key that made them', async () => {
    const directory = await signedDirectory(2, first)
    const bare = await openLog(directory, stepClock(Date.UTC(2026, 3, 5)))
    await writeSession(bare, 's-bare', 3)
    await bare.close()
    await life(directory, second, first)
    expect(await found(directory, logKey(first))).toEqual(['ok'])
  })
})

describe('a start refuses', () => {
  test.each<[string, () => Promise<string>, NoteSigner, NoteSigner | undefined, RegExp]>([
    ['a new key without the one before it', () => signedDirectory(2, first), second, undefined, /found none such/],
    ['the old key, once it was replaced', rotated, first, undefined, /found none such/],
    ['a key before it that is none', () => signedDirectory(2, first), second, third, /found none such/],
  ])('%s', async (_, directory, signer, previousSigner, message) => {
    const at = await directory()
    await expect(life(at, signer, previousSigner)).rejects.toMatchObject({
      code: 'ERR_EVIDENCE_TAMPERED',
      message: expect.stringMatching(message),
    })
  })
})

it('rotates to no key that the log has had', async () => {
  const again = {
    code: 'ERR_EVIDENCE_KEY',
    message: expect.stringMatching(/expected a new key to rotate to; found one that the log has had before/),
  }
  await expect(life(await rotated(), first, second)).rejects.toMatchObject(again)
  const directory = await rotated()
  await life(directory, third, second)
  await expect(life(directory, second, third)).rejects.toMatchObject(again)
})

describe('each attack has its own words:', () => {
  test('the old key goes on signing', async () => {
    const directory = await rotated()
    signAgain(directory, first)
    const message = 'signed with a key that was not the log’s at this size'
    for (const key of [first, second]) expect(await found(directory, logKey(key))).toEqual(['tampered', message])
    expect(await found(directory, {})).toEqual(['tampered', message])
  })

  test('a key that nothing announces', async () => {
    const directory = await rotated()
    signAgain(directory, third)
    expect(await found(directory, logKey(first))).toEqual(['tampered', 'signed with another key, or changed'])
    expect(await found(directory, logKey(third))).toEqual(['tampered', 'the key that was given is none of this log’s'])
  })

  test('a rotation that one key alone has signed', async () => {
    const directory = await recorded((at) => {
      const detail = statement(at, first, second)
      return { ...detail, statement: halved(detail['statement']) }
    })
    expect(await found(directory, logKey(first))).toContain('a rotation that not both keys have signed')
  })

  test('a rotation that both have signed, of something else', async () => {
    const directory = await recorded((at) => ({ ...statement(at, first, second), size: 3 }))
    expect(await found(directory, logKey(first))).toContain('a rotation whose statement is another')
  })

  test('a rotation from a key that is not the log’s', async () => {
    const directory = await recorded((at) => statement(at, third, second))
    expect(await found(directory, logKey(first))).toContain('the key that was given is none of this log’s')
  })

  test('a rotation at a root that the log never had', async () => {
    const directory = await recorded((at) => {
      const checkpoint = parseCheckpoint(checkpointIn(at))
      if (checkpoint === undefined) throw new Error('no checkpoint')
      return { ...rotationDraft({ ...checkpoint, root: Buffer.alloc(32) }, first, second).detail }
    })
    expect(await found(directory, logKey(first))).toContain('names a root that the log never had')
  })

  test('a log put back to before its rotation', async () => {
    const directory = await signedDirectory(2, first)
    const old = scratch()
    cpSync(directory, old, { recursive: true })
    await life(directory, second, first)
    expect(await found(old, logKey(second))).toEqual(['tampered', 'signed with another key, or changed'])
  })
})

describe('a key that was compromised', () => {
  it('is told, and does no harm where a later key covers all', async () => {
    const { directory, size } = await compromised((at) => at - 3)
    expect(await found(directory, logKey(second))).toEqual(['ok'])
    const { log } = await verifyEvidence(directory, logKey(first))
    expect(log?.keys).toMatchObject([{ compromisedFrom: size - 3 }, { compromisedFrom: null }])
  })

  it('proves nothing by itself beyond that size; what a witness signed stays', async () => {
    const { directory, old: since } = await compromised((at) => at - 3)
    expect(await found(directory, { ...logKey(second), since })).toEqual(['cannot', '--since is no such checkpoint'])
    const witness = cosigner()
    const checkpoint = parseCheckpoint(since)
    if (checkpoint === undefined) throw new Error('no checkpoint')
    const witnessed = witnessedNote(checkpoint, first, witness)
    const trust = { ...logKey(second), since: witnessed, witnessKeys: [witness.verifier] }
    expect(await found(directory, trust)).toEqual(['ok'])
  })

  it('is no longer believed as the log’s own', async () => {
    const directory = await signedDirectory(2, first)
    const log = await openSigned(directory, { ...stepClock(Date.UTC(2026, 3, 21)), signer: first })
    await log.append({ event: 'key.compromised', detail: { key: verifierText(first.verifier), from: 5 } }).durable
    await log.close()
    const message = 'signed with a key that was compromised from 5 records on'
    expect(await found(directory, logKey(first))).toEqual(['tampered', message])
  })

  it('that the log never had is said to be none of it', async () => {
    const directory = await signedDirectory(2, first)
    const log = await openSigned(directory, { ...stepClock(Date.UTC(2026, 3, 22)), signer: first })
    await log.append({ event: 'key.compromised', detail: { key: verifierText(third.verifier), from: 5 } }).durable
    await log.close()
    const message = 'says that a key was compromised which is none of this log’s'
    expect(await found(directory, logKey(first))).toEqual(['incomplete', message])
  })
})

describe('a start that rotates and dies', { timeout: 60_000 }, () => {
  // Every step of it: test/fault/evidence/rotation.test.ts.
  test.each<Fault>(['before', 'after', 'short'])(
    '%s the effect of a step, leaves what the next one takes up',
    async (fault) => {
      expect(await dieRotating(fault, 9)).toBeGreaterThan(3)
    },
  )
})

it('a copy of a gateway that is rotating, taken at its crash, is whole for either key', async () => {
  const directory = await signedDirectory(2, first)
  const log = await openSigned(directory, { ...stepClock(Date.UTC(2026, 5, 1)), signer: second, previousSigner: first })
  const copy = crashCopy(directory)
  cpSync(join(directory, 'log'), join(copy, 'log'), { recursive: true })
  await log.close()
  for (const key of [first, second]) {
    expect((await found(copy, logKey(key)))[0]).toBe('incomplete')
  }
})
