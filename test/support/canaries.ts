/**
 * Every sensitive cell of the bank, in each form in which it could leak: as it is, as bytea's hex, and what a date looks
 * like in the styles a client may choose.
 */
const IDENTIFIERS: readonly string[] = [
  ...['11-1111', '22-2222', '33-3333', '44-4444', '55-5555', '77-7777', '99-9999'].map((rest) => `900-${rest}`),
  ...['alice', 'bob', 'carla', 'dmitri', 'eve', 'vera'].map((name) => `${name}@secret.example`),
  ...['0001', '0002', '0003', '0005', '0077'].map((last) => `+1555000${last}`),
  ...['81-01-11', '82-02-12', '83-03-13', '84-04-14', '77-07-17'].map((rest) => `19${rest}`),
  ...['10', '11', '20', '30', '40', '50'].map((last) => `ACCT-7000000${last}`),
]

export const CANARIES: readonly string[] = [
  ...IDENTIFIERS,
  ...IDENTIFIERS.map((text) => Buffer.from(text).toString('hex')),
  ...IDENTIFIERS.map((text) => Buffer.from(text).toString('base64').replace(/=+$/, '').slice(0, -1)),
  '1111-11-009',
  '2222-22-009',
]

/** The canaries that stand in some bytes. */
export function canariesIn(bytes: Buffer, more: readonly string[] = []): string[] {
  const text = bytes.toString('latin1')
  return [...CANARIES, ...more].filter((canary) => text.includes(canary))
}
