import { signerFromSeed, type NoteSigner } from '../../../engine/evidence/index.ts'

/** The same key each time: for a log, and in a process of its own as well. */
export function logSigner(byte = 7, name = 'bank.example/gw-1'): NoteSigner {
  const signer = signerFromSeed(name, Buffer.alloc(32, byte))
  if (signer === undefined) throw new Error('a name that no key can have')
  return signer
}
