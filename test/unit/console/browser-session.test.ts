import { describe, expect, it } from 'vitest'
import { SealedCookies } from '../../../console/sealed-cookies.ts'

const SECRET = new Uint8Array(32).fill(1)
const NOW = Date.UTC(2026, 3, 18)
const SOON = NOW / 1000 + 60

const header = (fields: object): string => Buffer.from(JSON.stringify(fields)).toString('base64url')
const sealed = (now = NOW, secret = SECRET): SealedCookies => new SealedCookies(secret, () => now)

describe('what a browser keeps for the gateway', () => {
  it('opens again at any gateway with the same secret', async () => {
    const text = await sealed().seal('session', { who: 'ann' }, SOON)
    expect(await sealed().open('session', text)).toEqual({ who: 'ann' })
    expect(text).not.toContain(Buffer.from('ann').toString('base64url'))
  })

  it('is nothing as another kind, with another secret, or too late', async () => {
    const text = await sealed().seal('sign-in', { who: 'ann' }, SOON)
    expect(await sealed().open('session', text)).toBe(null)
    expect(await sealed(NOW, new Uint8Array(32).fill(2)).open('sign-in', text)).toBe(null)
    expect(await sealed(NOW + 61_000).open('sign-in', text)).toBe(null)
    expect(await sealed().open('sign-in', undefined)).toBe(null)
  })

  it('is nothing after any change', async () => {
    const text = await sealed().seal('session', { who: 'ann' }, SOON)
    const all = text.split('').flatMap((character, at) => {
      const other = character === 'A' ? 'B' : 'A'
      return [`${text.slice(0, at)}${other}${text.slice(at + 1)}`, `${text.slice(0, at)}${text.slice(at + 1)}`]
    })
    const opened = await Promise.all(all.map((changed) => sealed().open('session', changed)))
    // The last character of a base64url part may hold bits that stand for nothing: such a text is the same bytes.
    const read = opened.flatMap((content, at) => (content === null ? [] : [all[at] ?? '']))
    expect(read.filter((changed) => !sameBytes(changed, text))).toEqual([])
  })

  it('is nothing without encryption, or under a key that came along', async () => {
    const claims = header({ aud: 'session', exp: SOON, content: { who: 'ann' } })
    for (const text of [
      `${header({ alg: 'none' })}.${claims}.`,
      `${header({ alg: 'dir', enc: 'none' })}..AAAA.${claims}.AAAA`,
    ]) {
      expect(await sealed().open('session', text)).toBe(null)
    }
  })
})

const bytesOf = (text: string): string =>
  text
    .split('.')
    .map((part) => Buffer.from(part, 'base64url').toString('hex'))
    .join()

function sameBytes(one: string, other: string): boolean {
  return bytesOf(one) === bytesOf(other)
}
