import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { maskBody } from '../../../planes/http/enforcer/body-masker.ts'
import { maskJson } from '../../../planes/http/enforcer/json-edits.ts'
import { NO_ALIASES, type MaskPlan } from '../../../planes/http/enforcer/mask-plan.ts'
import { ExchangeMasks } from '../../../planes/http/enforcer/masks.ts'
import { StreamMasker } from '../../../planes/http/enforcer/stream-masker.ts'

const CANARY = 'C4NARY'
const RUNS = { numRuns: Number(process.env['FUZZ_RUNS'] ?? 100), seed: 3 }

function planOf(...parts: readonly string[]): MaskPlan {
  const fields = parts.map((part) => ({ field: `r.${part}`, method: 'redact' }) as const)
  return new ExchangeMasks(fields, ['r'], NO_ALIASES, null).answered
}

/** JSON text as it is sent, and as it must come out; `hidden` under the key that is masked. */
interface Both {
  readonly sent: string
  readonly shown: string
}

const same = (text: string): Both => ({ sent: text, shown: text })
const space = fc.constantFrom('', ' ', '\n\t', '  ')
const number = fc.constantFrom('0', '-1', '90071992547409931.10', '1e400', '-0.0', '123456789012345678901234567890')
const key = fc.constantFrom('a', 'b', 'zebra', 'SSN2', 'ss n', '\\u0061', 'ß')
const secretKey = fc.constantFrom('ssn', 'SSN', '\\u0073sn', 's\\u0073n')
const text = fc.string({ maxLength: 8 }).map((value) => JSON.stringify(value))
const secret = fc.constantFrom(
  `"${CANARY}"`,
  `"\\u0043${CANARY}"`,
  `{"deep":["${CANARY}"]}`,
  `["${CANARY}",1]`,
  `123${'4'.repeat(20)}`,
)

const { value } = fc.letrec<{ value: Both; object: Both; list: Both }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    text.map(same),
    number.map(same),
    fc.constantFrom('true', 'null').map(same),
    tie('object'),
    tie('list'),
  ),
  object: fc
    .array(
      fc.oneof(
        fc.tuple(key, tie('value'), space, space),
        fc.tuple(
          secretKey,
          secret.map((sent) => ({ sent, shown: '"[redacted]"' })),
          space,
          space,
        ),
      ),
      { maxLength: 4 },
    )
    .map((members) =>
      joined(
        '{',
        members.map(([name, member, one, other]) => around(`${one}"${name}"${other}:${one}`, member, other)),
        '}',
      ),
    ),
  list: fc.array(tie('value'), { maxLength: 3 }).map((members) => joined('[', members, ']')),
}))

function around(before: string, { sent, shown }: Both, after: string): Both {
  return { sent: `${before}${sent}${after}`, shown: `${before}${shown}${after}` }
}

function joined(open: string, members: readonly Both[], close: string): Both {
  const text = (pick: (each: Both) => string): string => `${open}${members.map(pick).join(',')}${close}`
  return { sent: text(({ sent }) => sent), shown: text(({ shown }) => shown) }
}

describe('JSON by path', () => {
  test('what is labelled is hidden wherever it stands, and every other byte stays', () => {
    fc.assert(
      fc.property(value, space, ({ sent, shown }, around) => {
        // A value that is the body itself stands under no key.
        const masked = maskJson(Buffer.from(`${around}${sent}${around}`), planOf('body/**/ssn'))
        expect(masked?.toString('utf8')).toBe(`${around}${shown}${around}`)
      }),
      RUNS,
    )
  })

  test('masking again changes nothing', () => {
    fc.assert(
      fc.property(value, ({ shown }) => {
        expect(maskJson(Buffer.from(shown), planOf('body/**/ssn'))?.toString('utf8')).toBe(shown)
      }),
      RUNS,
    )
  })

  test('what is no JSON is never let through, whatever it is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const body = Buffer.from(bytes)
        let isJson = true
        try {
          JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body))
        } catch {
          isJson = false
        }
        expect(maskJson(body, planOf('body/**/ssn')) !== null).toBe(isJson)
      }),
      RUNS,
    )
  })
})

const events = fc.array(
  fc.tuple(fc.constantFrom('\n', '\r\n'), fc.constantFrom('', 'event: x', 'id: 7', ': note', 'data: [1]'), value),
  { maxLength: 5 },
)

describe('piece by piece', () => {
  test('however a stream of events is cut, the same comes out, and no canary', () => {
    fc.assert(
      fc.property(events, fc.array(fc.nat(), { maxLength: 8 }), (all, cuts) => {
        const sent = all.map(
          ([end, field, { sent: data }]) => `${field}${end}data: ${data.replaceAll(/[\r\n\t]/g, ' ')}${end}${end}`,
        )
        const bytes = Buffer.from(sent.join(''))
        const headers = [['content-type', 'text/event-stream']] as const
        const whole = maskBody(headers, bytes, planOf('body/**/ssn'))
        expect(inPieces(headers, bytes, cuts).equals(whole)).toBe(true)
        expect(whole.toString('utf8')).not.toContain(CANARY)
      }),
      RUNS,
    )
  })

  test('however lines of JSON are cut, the same comes out, and no canary', () => {
    fc.assert(
      fc.property(
        fc.array(value, { maxLength: 5 }),
        fc.boolean(),
        fc.array(fc.nat(), { maxLength: 8 }),
        (all, ends, cuts) => {
          const lines = all.map(({ sent }) => sent.replaceAll(/[\r\n\t]/g, ' '))
          const bytes = Buffer.from(lines.join('\n') + (ends ? '\n' : ''))
          const headers = [['content-type', 'application/x-ndjson']] as const
          const whole = maskBody(headers, bytes, planOf('body/**/ssn'))
          expect(inPieces(headers, bytes, cuts).equals(whole)).toBe(true)
          expect(whole.toString('utf8')).not.toContain(CANARY)
        },
      ),
      RUNS,
    )
  })
})

function inPieces(headers: readonly (readonly [string, string])[], bytes: Buffer, cuts: readonly number[]): Buffer {
  const masker = StreamMasker.of(headers, planOf('body/**/ssn'), 1_000_000)
  const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].toSorted(
    (a, b) => a - b,
  )
  const pieces = places.slice(1).map((end, index) => masker?.push(bytes.subarray(places[index], end)) ?? bytes)
  return Buffer.concat([...pieces, masker?.end() ?? bytes])
}

describe('columns', () => {
  test('whatever stands in the cells, the labelled column is hidden and the others stay', () => {
    const cell = fc.string({ maxLength: 6 }).map((plain) => `"${plain.replaceAll('"', '""')}"`)
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { maxLength: 5 }), fc.constantFrom('\n', '\r\n'), (rows, end) => {
        const file = (hidden: string): string => ['a,Ssn,b', ...rows.map(([a, b]) => `${a},${hidden},${b}`)].join(end)
        const masked = maskBody([['content-type', 'text/csv']], Buffer.from(file(CANARY)), planOf('body/ssn'))
        expect(masked.toString('utf8')).toBe(file('[redacted]'))
      }),
      RUNS,
    )
  })
})
