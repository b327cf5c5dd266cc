import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NormalizeError } from '../../../engine/index.ts'
import type { RequestHead } from '../../../planes/http/message.ts'
import { readJson } from '../../../planes/http/normalizer/json-view.ts'
import { readMultipart } from '../../../planes/http/normalizer/multipart.ts'
import { normalize } from '../../../planes/http/normalizer/normalized.ts'
import { readTarget } from '../../../planes/http/normalizer/target.ts'

const RUNS = { numRuns: Number(process.env['FUZZ_RUNS'] ?? 150), seed: 4 }

const piece = fc.oneof(
  fc.string({ maxLength: 5 }),
  fc.constantFrom(
    '..',
    '.',
    '%2e',
    '%2E%2e',
    '/',
    '//',
    '%2f',
    '%5c',
    '\\',
    ';',
    '%00',
    '%25',
    '%252e',
    '%',
    '?',
    '&',
    '=',
    '+',
    '#',
    '%c3%a9',
    '%c0%af',
    'é',
    '~',
    '@',
    ':',
    '\0',
    '\r\n',
  ),
)

function attempt<T>(work: () => T): T | null {
  try {
    return work()
  } catch (error) {
    if (error instanceof NormalizeError) return null
    throw error
  }
}

describe('a target', () => {
  test('is refused, or has one reading: reading it again as it was read gives the same', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const first = attempt(() => readTarget(`/${pieces.join('')}`))
        if (first === null) return
        const again = readTarget(first.path)
        expect(again.segments).toEqual(first.segments)
        expect(again.path).toBe(first.path)
        // And it is the reading of others: of a URL's own parser, which would have taken dots away.
        const url = new URL(first.target, 'http://bank.example')
        expect(url.pathname).toBe(first.rawPath)
        expect(decodeURIComponent(url.pathname)).toBe(`/${first.segments.join('/')}`)
        expect([...url.searchParams].map(([name]) => name)).toEqual(expect.arrayContaining([...first.query.keys()]))
      }),
      RUNS,
    )
  })
})

describe('JSON for policy', () => {
  test('is what JSON.parse reads, but for numbers, which are exact', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const text = JSON.stringify(value)
        const seen = attempt(() => readJson(text))
        expect(JSON.stringify(seen, loose)).toBe(JSON.stringify(JSON.parse(text), loose))
      }),
      RUNS,
    )
  })

  test('throws NormalizeError or nothing, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json().map((text) => text.slice(0, -1)),
        ),
        (text) => {
          expect(() => attempt(() => readJson(text))).not.toThrow()
        },
      ),
      RUNS,
    )
  })
})

/** A number and its text are the same here. */
function loose(_key: string, value: unknown): unknown {
  return typeof value === 'number'
    ? String(value)
    : typeof value === 'string' && /^-?[\d.]+(?:e[+-]?\d+)?$/.test(value)
      ? String(Number(value))
      : value
}

describe('a multipart body', () => {
  test('is read as it was written', () => {
    const name = fc.stringMatching(/^[a-z ]{0,8}$/)
    fc.assert(
      fc.property(
        fc.array(fc.tuple(name, fc.uint8Array({ maxLength: 30 })), { minLength: 1, maxLength: 5 }),
        (parts) => {
          const body = Buffer.concat([
            ...parts.flatMap(([field, bytes]) => [
              Buffer.from(`--b0undary\r\nContent-Disposition: form-data; name="${field}"\r\n\r\n`),
              Buffer.from(bytes),
              Buffer.from('\r\n'),
            ]),
            Buffer.from('--b0undary--\r\n'),
          ])
          const read = readMultipart('multipart/form-data; boundary=b0undary', body)
          expect(read.parts.map(({ name: field, bytes }) => [field, bytes])).toEqual(
            parts.map(([field, bytes]) => [field, bytes.length]),
          )
        },
      ),
      RUNS,
    )
  })
})

describe('a request', () => {
  test('is refused by NormalizeError or read, whatever its lines are', () => {
    const line = fc.tuple(
      fc.oneof(
        fc.string({ maxLength: 6 }),
        fc.constantFrom(
          'host',
          'Content-Length',
          'transfer-encoding',
          'connection',
          'content-type',
          'x-http-method-override',
          'upgrade',
          'cookie',
        ),
      ),
      fc.oneof(
        fc.string({ maxLength: 8 }),
        fc.constantFrom(
          'bank.example',
          '5',
          'chunked',
          'close, content-length',
          'application/json',
          'DELETE',
          'multipart/form-data; boundary=x',
          'websocket',
        ),
      ),
    )
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), fc.uint8Array({ maxLength: 20 }), (headers, bytes) => {
        const head: RequestHead = {
          version: '1.1',
          method: 'POST',
          scheme: 'http',
          authority: 'bank.example',
          target: '/a',
          headers,
        }
        const read = attempt(() =>
          normalize({ head, body: { kind: 'whole', bytes: Buffer.from(bytes) } }, new Set(['cookie'])),
        )
        const names = read?.headers.map(([name]) => name.toLowerCase()) ?? []
        for (const gone of ['host', 'content-length', 'transfer-encoding', 'connection', 'cookie', 'upgrade'])
          expect(names).not.toContain(gone)
      }),
      RUNS,
    )
  })
})
