import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MASK_METHODS } from '../../../engine/index.ts'
import { encodeBackend } from '../../../planes/postgres/codec/backend-encoder.ts'
import { decodeBackend } from '../../../planes/postgres/codec/backend-messages.ts'
import { Writer } from '../../../planes/postgres/codec/writer.ts'
import { MaskingKey } from '../../../engine/masking/masking-key.ts'
import { type ColumnMask, REBUILT, RowMasker } from '../../../planes/postgres/enforcer/row-masker.ts'
import { TYPE_OID } from '../../../planes/postgres/enforcer/value-form.ts'

const KEY = new MaskingKey('k1', Buffer.alloc(32, 1))
const RUNS = { numRuns: 2000 }

const plain = fc.uint8Array({ maxLength: 30 }).map((each) => Buffer.from(each))
/** Nothing that a mask writes of its own has these letters, so finding one that was masked is finding a leak. */
const secret = fc.oneof(
  fc.string({ unit: fc.constantFrom('Q', 'W', 'Ä', '東', '𝒜'), minLength: 5, maxLength: 30 }),
  fc
    .tuple(
      fc.string({ unit: fc.constantFrom('Q', 'W'), minLength: 5 }),
      fc.string({ unit: fc.constantFrom('J', 'K'), minLength: 5 }),
    )
    .map(([local, domain]) => `${local}@${domain}.JKJK`),
)

interface Cell {
  readonly mask: Omit<ColumnMask, 'index'> | null
  readonly value: Buffer | null
}

const cell: fc.Arbitrary<Cell> = fc.oneof(
  fc.record({ mask: fc.constant(null), value: fc.option(plain, { nil: null }) }),
  fc.record({
    mask: fc.record({
      method: fc.constantFrom(...MASK_METHODS),
      typeOid: fc.constantFrom(...Object.values(TYPE_OID), 98_765),
      format: fc.constantFrom(0 as const, 1 as const),
    }),
    value: fc.option(
      secret.map((each) => Buffer.from(each)),
      { nil: null },
    ),
  }),
)

function frameOf(values: readonly (Buffer | null)[]): Buffer {
  const writer = new Writer(16)
  encodeBackend(writer, { kind: 'dataRow', values })
  return Buffer.from(writer.take())
}

function masksOf(cells: readonly Cell[]): ColumnMask[] {
  return cells.flatMap(({ mask }, index) => (mask === null ? [] : [{ index, ...mask }]))
}

/** The frame as it would go out. */
function masked(cells: readonly Cell[]): Buffer {
  const values = cells.map(({ value }) => value)
  const frame = frameOf(values)
  const out = new Writer(16)
  const masker = new RowMasker(masksOf(cells), cells.length, KEY)
  const end = masker.mask(frame, 0, 5, frame.length, 0, out)
  return end === REBUILT ? out.take() : frame.subarray(0, end)
}

function valuesOf(frame: Buffer): readonly (Buffer | null)[] {
  const message = decodeBackend(0x44, frame, 5, frame.length)
  return message.kind === 'dataRow' ? message.values : []
}

/** Runs of so many characters of the original that are still there. */
function remains(original: Buffer, now: Buffer | null, run: number): string[] {
  const characters = Array.from(original.toString())
  const windows = characters.slice(run - 1).map((_, index) => characters.slice(index, index + run).join(''))
  return windows.filter((window) => now?.includes(window) === true)
}

/** A pseudonym is made of the same letters: five of them may come together by chance, twelve do not. */
function longestChance(cells: readonly Cell[]): number {
  return cells.some(({ mask }) => mask?.method === 'pseudonym') ? 12 : 5
}

describe('whatever the rows and masks', () => {
  test('the frame is well formed, plain fields are the same bytes, NULL stays NULL', () => {
    fc.assert(
      fc.property(fc.array(cell, { maxLength: 12 }), (cells) => {
        const frame = masked(cells)
        expect(frame.readInt32BE(1)).toBe(frame.length - 1)
        const values = valuesOf(frame)
        expect(values.length).toBe(cells.length)
        const untouched = (index: number): boolean => cells[index]?.mask === null || cells[index]?.value === null
        expect(values.filter((_, index) => untouched(index))).toEqual(
          cells.map(({ value }) => value).filter((_, index) => untouched(index)),
        )
      }),
      RUNS,
    )
  })

  test('nothing of a masked value remains but what its method leaves', () => {
    fc.assert(
      fc.property(fc.array(cell, { minLength: 1, maxLength: 6 }), (cells) => {
        const values = valuesOf(masked(cells))
        const left = cells.flatMap(({ mask, value }, index) =>
          mask === null || value === null ? [] : remains(value, values[index] ?? null, longestChance(cells)),
        )
        expect(left).toEqual([])
      }),
      RUNS,
    )
  })

  test('the rebuilt frame holds none of it either, wherever it lies', () => {
    fc.assert(
      fc.property(fc.array(cell, { minLength: 1, maxLength: 6 }), (cells) => {
        const hidden = cells.map((each) => (each.mask === null ? { ...each, value: null } : each))
        const frame = masked(hidden)
        expect(
          hidden.flatMap(({ value }) => (value === null ? [] : remains(value, frame, longestChance(cells)))),
        ).toEqual([])
      }),
      RUNS,
    )
  })

  test('rows that lie one behind the other come out one behind the other, as each would alone', () => {
    const table = fc.array(cell, { minLength: 1, maxLength: 4 }).chain((columns) => {
      const row = fc.tuple(...columns.map(({ mask }) => cell.map(({ value }) => ({ value, mask }))))
      return fc.array(row, { minLength: 1, maxLength: 6 })
    })
    fc.assert(
      fc.property(table, (rows) => {
        const [first = []] = rows
        const masker = new RowMasker(masksOf(first), first.length, KEY)
        const frames = rows.map((cells) => frameOf(cells.map(({ value }) => value)))
        const chunk = Buffer.concat(frames)
        let [start, toward] = [0, 0]
        const came: Buffer[] = []
        for (const frame of frames) {
          const out = new Writer(16)
          const end = masker.mask(chunk, start, start + 5, start + frame.length, toward, out)
          if (end === REBUILT) came.push(out.take())
          else came.push(chunk.subarray(toward, end))
          toward = end === REBUILT ? start + frame.length : end
          start += frame.length
        }
        expect(Buffer.concat(came)).toEqual(Buffer.concat(rows.map(masked)))
      }),
      RUNS,
    )
  })

  test('a count tells how many values were hidden', () => {
    fc.assert(
      fc.property(fc.array(cell, { maxLength: 6 }), fc.integer({ min: 1, max: 4 }), (cells, rows) => {
        const masker = new RowMasker(masksOf(cells), cells.length, KEY)
        for (let row = 0; row < rows; row += 1) {
          const frame = frameOf(cells.map(({ value }) => value))
          masker.mask(frame, 0, 5, frame.length, 0, new Writer())
        }
        const expected = cells.filter(({ mask }) => mask !== null).map(({ value }) => (value === null ? 0 : rows))
        expect(masker.counts).toEqual(expected)
      }),
      { numRuns: 500 },
    )
  })
})
