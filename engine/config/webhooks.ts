import type { ConfigDocument } from './document.ts'
import { shapeAt, type OutsideTexts } from './outside-texts.ts'
import type { WebhookText } from './validation.ts'

/** Another program that is told of approvals. */
export interface Webhook {
  readonly name: string
  readonly url: URL
  /** Keys of the signature; of several each signs, so that a receiver can go from one to the next. */
  readonly keys: readonly Uint8Array[]
  /** Whether it may be at an address of a private network, or of this host. */
  readonly privateNetwork: boolean
}

/** The written form of a key (Standard Webhooks): 24 to 64 bytes in base64. */
const SECRET = /^whsec_([A-Za-z0-9+/]+={0,2})$/

/** Throws ConfigError for an address that messages must not go to, and for a key that signs nothing well. */
export function webhooks(
  texts: readonly WebhookText[],
  { document, outside }: { readonly document: ConfigDocument; readonly outside: OutsideTexts },
): readonly Webhook[] {
  const names = new Set<string>()
  return texts.map((text, index) => {
    const { name, url, secret, previous_secret: previous, private_network: privateNetwork } = text
    if (names.has(name)) throw shapeAt(document, ['webhooks', index, 'name'], 'each name once', `${name} twice`)
    names.add(name)
    const key = (which: 'secret' | 'previous_secret'): Uint8Array => {
      const outsideText = which === 'secret' ? secret : (previous ?? secret)
      return keyOf(outside.read(outsideText, ['webhooks', index, which]).reveal().trim(), document, index, which)
    }
    const keys = previous === undefined ? [key('secret')] : [key('secret'), key('previous_secret')]
    return { name, url: addressOf(url, privateNetwork, document, index), keys, privateNetwork }
  })
}

function addressOf(text: string, privateNetwork: boolean, document: ConfigDocument, index: number): URL {
  const url = URL.parse(text)
  const isLocal = url !== null && /^(?:localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname)
  const isPlain = url?.protocol === 'http:' && isLocal && privateNetwork
  const isFit = url !== null && url.username === '' && url.password === '' && url.hash === ''
  if (isFit && (url.protocol === 'https:' || isPlain)) return url
  const expected = 'an https URL without a user name, or http on loopback with private_network: true'
  throw shapeAt(document, ['webhooks', index, 'url'], expected, url === null ? text : `${url.protocol}//${url.host}`)
}

function keyOf(text: string, document: ConfigDocument, index: number, which: string): Uint8Array {
  const key = Buffer.from(SECRET.exec(text)?.[1] ?? '', 'base64')
  if (key.length >= 24 && key.length <= 64) return new Uint8Array(key)
  const expected = 'whsec_ and 24 to 64 bytes in base64'
  throw shapeAt(document, ['webhooks', index, which], expected, 'another text')
}
