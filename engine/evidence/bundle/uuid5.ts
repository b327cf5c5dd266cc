import { hash } from 'node:crypto'

/** Version 5 of RFC 9562 (5.5) in a namespace of ours: the same name gives the same UUID, always. */
export function uuid5(name: string): string {
  const bytes = hash('sha1', Buffer.concat([NAMESPACE, Buffer.from(name)]), 'buffer').subarray(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

// Drawn once; published in docs/evidence-bundle.md.
const NAMESPACE = Buffer.from('aedafe8dcaca48fab553177e1258f9c3', 'hex')
