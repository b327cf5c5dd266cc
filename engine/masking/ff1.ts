import { type Cipheriv, createCipheriv } from 'node:crypto'

const BLOCK = 16
/** Two, so that each half of the input is whole again where it began. */
const ROUNDS = 10

/**
 * FF1 of NIST SP 800-38G: a permutation, under a key and a tweak, of all strings of `length` numerals of a radix. A string
 * is given and taken as the integer that it spells, most significant numeral first. `key`: 16, 24 or 32 bytes of AES. The
 * caller sees to it that there are at least a million strings (SP 800-38G, revision 1): of fewer, one can be found by trying.
 */
export class Ff1 {
  readonly #cipher: Cipheriv
  /** Of the left half and of the right one, how many integers there are: radix^u and radix^v. */
  readonly #left: bigint
  readonly #right: bigint
  /** Bytes of a half's integer, and how many of the round's output are used. */
  readonly #halfBytes: number
  readonly #outputBytes: number
  /** CBC-MAC over what is the same in every round: P, and Q up to the block with the round number. */
  readonly #prefix: Buffer
  /** The rest of Q: the tweak's end, padding, round number, half. Written anew in each round. */
  readonly #tail: Buffer

  constructor(key: Uint8Array, radix: number, length: number, tweak: Uint8Array) {
    this.#cipher = createCipheriv(`aes-${key.length * 8}-ecb`, key, null).setAutoPadding(false)
    const u = Math.floor(length / 2)
    const v = length - u
    this.#left = BigInt(radix) ** BigInt(u)
    this.#right = BigInt(radix) ** BigInt(v)
    this.#halfBytes = Math.ceil((this.#right - 1n).toString(2).length / 8)
    this.#outputBytes = 4 * Math.ceil(this.#halfBytes / 4) + 4
    const padding = (BLOCK - ((tweak.length + this.#halfBytes + 1) % BLOCK)) % BLOCK
    const q = Buffer.alloc(tweak.length + padding + 1 + this.#halfBytes)
    q.set(tweak)
    const varies = Math.floor((tweak.length + padding) / BLOCK) * BLOCK
    const same = Buffer.concat([header(radix, length, u, tweak.length), q.subarray(0, varies)])
    this.#prefix = this.#mac(Buffer.alloc(BLOCK), same)
    this.#tail = q.subarray(varies)
  }

  /** `value`: from 0, below radix^length. */
  encrypt(value: bigint): bigint {
    let a = value / this.#right
    let b = value % this.#right
    for (let round = 0; round < ROUNDS; round += 1) {
      const modulus = round % 2 === 0 ? this.#left : this.#right
      const c = (a + this.#round(round, b)) % modulus
      a = b
      b = c
    }
    return a * this.#right + b
  }

  #round(round: number, half: bigint): bigint {
    const tail = this.#tail
    const at = tail.length - this.#halfBytes
    tail[at - 1] = round
    tail.write(half.toString(16).padStart(this.#halfBytes * 2, '0'), at, 'hex')
    const r = this.#mac(this.#prefix, tail)
    if (this.#outputBytes <= BLOCK) return BigInt(`0x${r.toString('hex', 0, this.#outputBytes)}`)
    return BigInt(`0x${this.#lengthened(r).toString('hex', 0, this.#outputBytes)}`)
  }

  /** R, CIPH(R ⊕ 1), CIPH(R ⊕ 2), … */
  #lengthened(r: Buffer): Buffer {
    const blocks = [r]
    for (let counter = 1; blocks.length * BLOCK < this.#outputBytes; counter += 1) {
      const block = Buffer.from(r)
      block.writeUInt32BE((block.readUInt32BE(BLOCK - 4) ^ counter) >>> 0, BLOCK - 4)
      blocks.push(this.#cipher.update(block))
    }
    return Buffer.concat(blocks)
  }

  /** CBC-MAC on from `state` over whole blocks. */
  #mac(state: Buffer, bytes: Buffer): Buffer {
    let chained = state
    for (let at = 0; at < bytes.length; at += BLOCK) {
      const block = Buffer.allocUnsafe(BLOCK)
      for (let byte = 0; byte < BLOCK; byte += 1) block[byte] = (chained[byte] ?? 0) ^ (bytes[at + byte] ?? 0)
      chained = this.#cipher.update(block)
    }
    return chained
  }
}

/** P: version, method, addition, radix, rounds, the left half's length, the input's and the tweak's. */
function header(radix: number, length: number, u: number, tweakBytes: number): Buffer {
  const p = Buffer.alloc(BLOCK)
  p.set([1, 2, 1])
  p.writeUIntBE(radix, 3, 3)
  p.set([ROUNDS, u % 256], 6)
  p.writeUInt32BE(length, 8)
  p.writeUInt32BE(tweakBytes, 12)
  return p
}
