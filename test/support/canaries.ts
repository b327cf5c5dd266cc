/**
 * Every sensitive cell of the bank, in each form in which it could leak: as it is, as bytea's hex, and what a date looks
 * like in the styles a client may choose.
 */
const IDENTIFIERS: readonly string[] = [
  ...['900-11-1111', '900-22-2222', '900-33-3333', '900-44-4444', '900-55-5555', '900-77-7777', '900-99-9999'],
  ...['alice', 'bob', 'carla', 'dmitri', 'eve', 'vera'].map((name) => `${name}@secret.example`),
  ...['0001', '0002', '0003', '0005', '0077'].map((last) => `+1555000${last}`),
  ...['1981-01-11', '1982-02-12', '1983-03-13', '1984-04-14', '1977-07-17'],
  ...['10', '11', '20', '30', '40', '50'].map((last) => `ACCT-7000000${last}`),
]

export const CANARIES: readonly string[] = [
  ...IDENTIFIERS,
  ...IDENTIFIERS.map((text) => Buffer.from(text).toString('hex')),
  ...IDENTIFIERS.map((text) => Buffer.from(text).toString('base64').replace(/=+$/, '').slice(0, -1)),
  ...['900-11-1111', '900-22-2222'].map((text) => [...text].toReversed().join('')),
]

/** The canaries that stand in some bytes. */
export function canariesIn(bytes: Buffer, more: readonly string[] = []): string[] {
  const text = bytes.toString('latin1')
  return [...CANARIES, ...more].filter((canary) => text.includes(canary))
}
