import { expect, test } from 'vitest'
import { ReceiptHandles } from '../../../planes/sqs/enforcer/receipt-handles.ts'
import { configure } from '../../../planes/sqs/config.ts'
import { Credentials, type MasterKey } from '../../../planes/sqs/session/credentials.ts'
import { AGENT } from '../../support/rooms.ts'

const key = (id: string, byte: number): MasterKey => ({ id, secret: new Uint8Array(32).fill(byte) })
const ROLE = { arn: 'arn:aws:iam::000000000000:role/agent', session: 's' }
const NOW = 1_800_000_000_000
const OTHER = { ...AGENT, id: 'other' }

test('who is behind them is told whole: what a revocation goes by, too', async () => {
  const credentials = new Credentials([key('a', 1)], () => NOW)
  const whole = {
    ...AGENT,
    issued_at: NOW / 1000 - 60,
    client: 'batch',
    exchanged_from: ['t0'],
    expires_at: NOW / 1000 + 60,
  }
  const minted = await credentials.mint(whole, ROLE, 3600)
  expect((await credentials.read(minted.sessionToken, minted.accessKeyId)).principal).toEqual(whole)
})

test('another gateway with the same keys takes the credentials, one without them does not, and none once they are over', async () => {
  const minted = await new Credentials([key('a', 1)], () => NOW).mint(AGENT, ROLE, 3600)
  const elsewhere = new Credentials([key('b', 2), key('a', 1)], () => NOW)
  const caller = await elsewhere.read(minted.sessionToken, minted.accessKeyId)
  expect(caller).toMatchObject({ secret: minted.secretAccessKey, principal: { id: AGENT.id, groups: AGENT.groups } })
  expect(caller.principal.expires_at).toBe(NOW / 1000 + 3600)
  await expect(elsewhere.read(minted.sessionToken, 'ASIAOTHER')).rejects.toMatchObject({
    code: 'ERR_IDENTITY_SIGNATURE',
  })
  const stranger = new Credentials([key('a', 3)], () => NOW)
  await expect(stranger.read(minted.sessionToken, minted.accessKeyId)).rejects.toMatchObject({
    code: 'ERR_IDENTITY_SIGNATURE',
  })
  let now = NOW
  const later = new Credentials([key('a', 1)], () => now)
  await later.read(minted.sessionToken, minted.accessKeyId)
  now += 3600_000
  await expect(later.read(minted.sessionToken, minted.accessKeyId)).rejects.toMatchObject({
    code: 'ERR_IDENTITY_EXPIRED',
  })
})

test('credentials never outlive the token that they were made of', async () => {
  const minted = await new Credentials([key('a', 1)], () => NOW).mint(
    { ...AGENT, expires_at: NOW / 1000 + 60 },
    ROLE,
    3600,
  )
  expect(minted.expiresAt).toBe(NOW / 1000 + 60)
})

test('a receipt handle opens for its agent, queue and kind, until it is over, whichever key is the first', () => {
  let now = NOW
  const sealed = new ReceiptHandles([key('a', 1)], () => now).seal('receipt', 'AQEB+/=', AGENT, 'arn:q')
  const handles = new ReceiptHandles([key('b', 2), key('a', 1)], () => now)
  expect(handles.open('receipt', sealed, AGENT, 'arn:q')).toBe('AQEB+/=')
  const invalid = expect.objectContaining({ native: 'ReceiptHandleIsInvalid' })
  expect(() => handles.open('receipt', sealed, OTHER, 'arn:q')).toThrow(invalid)
  expect(() => handles.open('receipt', sealed, { ...AGENT, act: ['another'] }, 'arn:q')).toThrow(invalid)
  expect(() => handles.open('receipt', sealed, AGENT, 'arn:r')).toThrow(invalid)
  expect(() => handles.open('task', sealed, AGENT, 'arn:q')).toThrow(invalid)
  for (const wrong of ['', 'AQ', `${sealed}A`, `${sealed}=`, sealed.slice(0, -2)])
    expect(() => handles.open('receipt', wrong, AGENT, 'arn:q')).toThrow(invalid)
  now += 12 * 3600_000
  expect(() => handles.open('receipt', sealed, AGENT, 'arn:q')).toThrow(invalid)
})

test('static keys are refused where others than this machine can connect', () => {
  expect(() =>
    configure({ listen: { host: '0.0.0.0', port: 1 }, laboratory: { static_keys: 'x' }, account: '1' }),
  ).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_PLANE' }))
})
