import { expect, test } from 'vitest'
import { ProtocolError } from '../../../engine/index.ts'
import { readHeaders } from '../../../planes/sqs/codec/http-message.ts'
import { isSignedWith, readClaim } from '../../../planes/sqs/session/signature.ts'
import { type SignatureVector, signatureVectors } from '../../support/sigv4-suite.ts'

const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
const SCOPE = { service: 'service', regions: ['us-east-1'] }
const AT = Date.parse('2015-08-30T12:36:00Z')

/** Everything of the suite that has a form at the gateway. */
const TAKEN = [
  'get-header-value-trim',
  'get-unreserved',
  'get-vanilla',
  'get-vanilla-query',
  'post-header-key-case',
  'post-header-key-sort',
  'post-header-value-case',
  'post-sts-header-after',
  'post-sts-header-before',
  'post-vanilla',
  'post-x-www-form-urlencoded',
  'post-x-www-form-urlencoded-parameters',
]

function judged({ method, target, headers, body, authorization }: SignatureVector): string {
  try {
    const all = readHeaders([...headers, 'authorization', authorization])
    const message = { method, target, headers: all, body: Buffer.from(body), source: null }
    if (isSignedWith(SECRET, readClaim(message, SCOPE, AT), message)) return 'taken'
    if (target.includes('?')) return 'a query string'
    return target === '/' ? 'a folded header' : 'a path with a second spelling'
  } catch (error) {
    return error instanceof ProtocolError ? 'a header twice' : 'a token that is not signed'
  }
}

/** AWS's own suite, whole. What the gateway has no form for is refused, whatever its signature: each by what it has. */
test('AWS’s published vectors', ({ skip }) => {
  const vectors = signatureVectors()
  if (vectors === null) return skip('there is no Python to fetch them with')
  const found = Map.groupBy(vectors, judged)
  const names = Object.fromEntries([...found].map(([how, some]) => [how, some.map(({ name }) => name).toSorted()]))
  expect(vectors).toHaveLength(34)
  expect(names['taken']).toEqual(TAKEN)
  expect(names['a header twice']).toEqual(['get-header-key-duplicate', 'get-header-value-order'])
  expect(names['a token that is not signed']).toEqual(['get-vanilla-with-session-token'])
  expect(names['a folded header']).toEqual(['get-header-value-multiline'])
  expect(found.get('a query string')?.length).toBe(9)
  expect(found.get('a path with a second spelling')?.length).toBe(9)
}, 600_000)
