import { randomFillSync } from 'node:crypto'

/** Random bytes are fetched a pageful at a time: one by one they cost more than all the rest of an id. */
const random: Buffer = Buffer.allocUnsafe(4000)
const NEEDED = 10
let used = random.length

/** UUID version 7 (RFC 9562, 5.7): milliseconds first, so that ids sort by when they were made; 74 bits of random. */
export function uuidv7(nowMs: number): string {
  if (used + NEEDED > random.length) {
    randomFillSync(random)
    used = 0
  }
  const bytes = Buffer.allocUnsafe(16)
  random.copy(bytes, 6, used, used + NEEDED)
  used += NEEDED
  bytes.writeUIntBE(nowMs, 0, 6)
  bytes.writeUInt8(0x70 | (bytes.readUInt8(6) & 0x0f), 6)
  bytes.writeUInt8(0x80 | (bytes.readUInt8(8) & 0x3f), 8)
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
