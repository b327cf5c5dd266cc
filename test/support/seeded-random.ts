/** A repeatable source of chance: from 0 up to, not including, 1. */
export type Random = () => number

/** Mulberry32: 32 bits of state, plenty to scatter test inputs and nothing else. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** COUNTERSIGN_SEED, to repeat a run that failed; else another each time. */
export function chooseSeed(): number {
  const given = Number(process.env['COUNTERSIGN_SEED'])
  return Number.isInteger(given) && given > 0 ? given : Math.ceil(Math.random() * 2 ** 31)
}
