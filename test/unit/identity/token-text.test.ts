import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { IdentityError } from '../../../engine/index.ts'
import { readToken } from '../../../engine/identity/token-text.ts'
import { encoded } from './setting.ts'

const part = fc.oneof(
  fc.string(),
  fc.json(),
  fc.jsonValue().map((value) => encoded(JSON.stringify(value))),
)

it('a token of any text is read or refused as malformed, and nothing else happens', () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
      expect(outcome(parts.join('.'))).toMatch(/^(read|ERR_IDENTITY_MALFORMED)$/)
    }),
  )
})

it('what JSON.stringify writes names no member twice, and comes back as it was', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (claims) => {
      const text = JSON.stringify(claims)
      expect(JSON.stringify(readToken(`${encoded('{}')}.${encoded(text)}.`).claims)).toBe(text)
    }),
  )
})

it('a member named twice is found wherever it stands, however its name is spelled', () => {
  const spelled = fc
    .string({ minLength: 1, maxLength: 3 })
    .chain((name) =>
      fc.tuple(fc.constant(name), fc.constantFrom(JSON.stringify(name), escaped(name)), fc.json(), fc.json()),
    )
  fc.assert(
    fc.property(spelled, fc.nat({ max: 5 }), ([name, again, one, other], depth) => {
      const inner = `{${JSON.stringify(name)}: ${one} , ${again} : ${other}}`
      const text = `{"a":${'['.repeat(depth)}${inner}${']'.repeat(depth)}}`
      expect(() => readToken(`${encoded('{}')}.${encoded(text)}.`)).toThrow(/names a member twice/)
    }),
  )
})

function escaped(name: string): string {
  const units = Array.from({ length: name.length }, (_, at) => name.charCodeAt(at).toString(16).padStart(4, '0'))
  return `"${units.map((unit) => `\\u${unit}`).join('')}"`
}

function outcome(token: string): string {
  try {
    readToken(token)
    return 'read'
  } catch (error) {
    return error instanceof IdentityError ? error.code : String(error)
  }
}
