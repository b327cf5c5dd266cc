import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, onTestFinished, type TestContext } from 'vitest'
import { askPeer, findPeer, openPeerWitness } from '../../support/go-peer.ts'
import { parseCheckpoint } from '../../../engine/evidence/checkpoint.ts'
import { cosignedAt } from '../../../engine/evidence/cosignature.ts'
import { signerText, verifierText } from '../../../engine/evidence/index.ts'
import { inclusionProof } from '../../../engine/evidence/proof.ts'
import { nodesIn } from '../../../engine/evidence/tile.ts'
import { cosigner, MemoryLog, witnessedNote } from './cosigned.ts'
import { logSigner, openSigned, signedDirectory } from './signed.ts'
import { scratch, writeSession } from './workbench.ts'

let found: string | null = null
beforeAll(async () => {
  found = await findPeer()
}, 300_000)

function peer(context: TestContext): string {
  if (found === null) context.skip('no Go here')
  return found ?? ''
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('Go’s own packages', () => {
  it('open our checkpoint with the key that we publish', async (context) => {
    const checkpoint = readFileSync(join(await signedDirectory(), 'log/checkpoint'), 'utf8')
    expect(askPeer(peer(context), ['note', verifierText(logSigner().verifier)], checkpoint)).toEqual({
      code: 0,
      output: '',
    })
    expect(askPeer(peer(context), ['note', verifierText(logSigner(8).verifier)], checkpoint).code).toBe(1)
    const changed = checkpoint.replace('\n16\n', '\n17\n')
    expect(askPeer(peer(context), ['note', verifierText(logSigner().verifier)], changed).code).toBe(1)
  })

  it('open what we cosign, and nothing that we did not', (context) => {
    const note = witnessedNote(new MemoryLog().at(7), logSigner(), cosigner())
    const key = verifierText(cosigner().verifier)
    expect(askPeer(peer(context), ['cosignature', key], note)).toEqual({ code: 0, output: '' })
    expect(askPeer(peer(context), ['note', verifierText(logSigner().verifier)], note).code).toBe(0)
    expect(askPeer(peer(context), ['cosignature', key], note.replace('\n7\n', '\n8\n')).code).toBe(1)
    expect(askPeer(peer(context), ['cosignature', verifierText(cosigner(10).verifier)], note).code).toBe(1)
  })

  it('take our proofs, inclusion and consistency, for every size of tree', async (context) => {
    const log = new MemoryLog()
    const read = async (size: number): Promise<readonly Buffer[]> => log.proof(size, 300)
    const sizes = Array.from({ length: 300 }, (_, at) => at + 1)
    const consistency = await Promise.all(
      sizes.map(async (old) => {
        const proof = (await read(old)).map(hex)
        return { Old: old, Size: 300, OldRoot: hex(log.at(old).root), Root: hex(log.at(300).root), Proof: proof }
      }),
    )
    const answer = askPeer(peer(context), ['proofs'], JSON.stringify({ Consistency: consistency }))
    expect(answer).toEqual({ code: 0, output: '0 inclusion, 300 consistency\n' })
  })

  it('read our tiles, and prove every record by them as we do', async (context) => {
    const directory = await signedDirectory(140)
    const checkpoint = parseCheckpoint(readFileSync(join(directory, 'log/checkpoint'), 'utf8'))
    if (checkpoint === undefined) throw new Error('no checkpoint')
    const { size, root } = checkpoint
    const tiles = join(directory, 'log/tile')
    expect(askPeer(peer(context), ['tiles', tiles, String(size), hex(root)])).toEqual({
      code: 0,
      output: `${size} leaves\n`,
    })
    const read = nodesIn(tiles, size)
    const inclusion = await Promise.all(
      Array.from({ length: size }, async (_, index) => {
        const proof = (await inclusionProof(index, size, read)).map(hex)
        return { Index: index, Size: size, Leaf: hex(await read(0, index)), Root: hex(root), Proof: proof }
      }),
    )
    const answer = askPeer(peer(context), ['proofs'], JSON.stringify({ Inclusion: inclusion }))
    expect(answer).toEqual({ code: 0, output: `${size} inclusion, 0 consistency\n` })
  })
})

it('transparency-dev’s witness takes what our log sends it, from nothing and over a restart', async (context) => {
  const other = cosigner(13, 'other.example/witness')
  const witness = await openPeerWitness(peer(context), verifierText(logSigner().verifier), signerText(other))
  onTestFinished(() => witness.close())
  const directory = scratch()
  const troubles: unknown[] = []
  const options = {
    now: Date.now,
    monotonic: () => process.hrtime.bigint(),
    rhythm: { everyMs: 10, heartbeatMs: 60_000 },
    witnesses: [{ url: witness.url, key: other.verifier }],
    onWitnessTrouble: (...trouble: unknown[]) => void troubles.push(trouble),
  }
  for (let start = 0; start < 2; start += 1) {
    const log = await openSigned(directory, options)
    await writeSession(log, `s-${start}`, 20)
    await log.close()
    const note = parseCheckpoint(readFileSync(join(directory, 'log/witnessed'), 'utf8'))
    expect(note?.size).toBe(parseCheckpoint(readFileSync(join(directory, 'log/checkpoint'), 'utf8'))?.size)
    expect(note && cosignedAt(note.note, other.verifier)).toBeGreaterThan(1_700_000_000)
  }
  expect(troubles).toEqual([])
})
