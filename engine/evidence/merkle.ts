import { hash } from 'node:crypto'

/** What the first entry of a chain names as the one before it. */
export const NO_LEAF: string = '0'.repeat(64)

/**
 * RFC 6962, 2.1: the hash of one log entry, SHA-256(0x00 || entry), hex. The leading zero byte keeps an entry from being
 * passed off as an inner node of the tree.
 */
export function leafHash(entry: string): string {
  return hash('sha256', `\u0000${entry}`, 'hex')
}
