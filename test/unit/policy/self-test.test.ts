import { describe, expect, test } from 'vitest'
import { MAX_REQUEST_BYTES } from '../../../engine/access-request.ts'
import type { JsonObject } from '../../../engine/access-request.ts'
import { largestRequests } from '../../../engine/policy/largest-request.ts'
import { openBundle } from '../../../engine/policy/index.ts'
import { runSelfTest } from '../../../engine/policy/self-test.ts'
import { contentOf, evaluatorOf, filesOf, fixture, onDisk, pack, withFile } from './bundles.ts'

const toy = await filesOf(fixture('toy'))
const manifest = JSON.parse(contentOf(toy, '.manifest').toString())
const vector = manifest.metadata.self_test[0]

const opened = async (selfTest: unknown) => {
  const metadata = { ...manifest.metadata, self_test: selfTest }
  const files = withFile(toy, '.manifest', JSON.stringify({ ...manifest, metadata }))
  return openBundle(await onDisk(pack(files)), { kind: 'unsigned' })
}
const refused = (message: string) =>
  expect.objectContaining({ code: 'ERR_POLICY_SELF_TEST', message: expect.stringContaining(message) })

describe('self-test vectors', () => {
  test('the module answers as the interpreter did', async () => {
    await expect(opened([vector, vector])).resolves.toHaveProperty('reference.revision', 'toy-1')
  })

  test.each<[string, JsonObject]>([
    ['verdict', { verdict: 'forward', fields: [] }],
    ['fields', { fields: [{ field: 'customers.ssn', method: 'null' }] }],
    ['message', { reasons: [{ ...vector.result.reasons[0], message: 'other' }] }],
    ['controls', { reasons: [{ ...vector.result.reasons[0], controls: [] }] }],
  ])('another %s than the interpreter’s is refused', async (_what, change) => {
    await expect(opened([{ ...vector, result: { ...vector.result, ...change } }])).rejects.toThrow(
      refused('mask.json: the module answers otherwise than the interpreter did'),
    )
  })

  test.each<[string, unknown]>([
    ['no list', {}],
    ['null', null],
    ['a vector of nothing', [{}]],
    ['a vector without entrypoint', [{ ...vector, entrypoint: undefined }]],
    ['a vector whose input is text', [{ ...vector, input: '{}' }]],
  ])('%s is refused', async (_what, selfTest) => {
    await expect(opened(selfTest)).rejects.toThrow(refused("the manifest's self_test: expected"))
  })

  test('a wanted result that is no verdict is refused', async () => {
    await expect(opened([{ ...vector, result: { verdict: 'forward' } }])).rejects.toMatchObject({
      code: 'ERR_POLICY_RESULT',
    })
  })

  test('a vector of an entrypoint that is not there is refused', async () => {
    await expect(opened([{ ...vector, entrypoint: 'countersign/other/verdict' }])).rejects.toMatchObject({
      code: 'ERR_POLICY_ENTRYPOINT',
    })
  })
})

describe('a module that was compiled with -O1', () => {
  test('answers by the data it was compiled with, and is refused', async () => {
    await expect(openBundle(fixture('inlined'), { kind: 'unsigned' })).rejects.toThrow(
      refused('no vector needs data.json: compile without -O1 and -O2'),
    )
  })
})

/** A stopwatch by which the decisions take these milliseconds, one after the other. */
const clock = (...times: number[]) => {
  const readings = times.flatMap((time) => [0, time])
  return () => readings.shift() ?? 0
}

describe('a policy that can be made slow', () => {
  test('is cut off and refused', async () => {
    await expect(openBundle(fixture('slow'), { kind: 'unsigned' }, { slowestMs: 5 })).rejects.toThrow(
      refused('did not end within 300 ms: countersign/slow/verdict'),
    )
  })

  test('within its deadline is refused by the bound, unless it was slow by accident', async () => {
    const [evaluator, blank] = [await evaluatorOf('toy'), await evaluatorOf('toy')]
    const entrypoints = ['countersign/toy/verdict']
    const candidate = { evaluator, blank, data: {}, entrypoints, vectors: undefined, reads: null }
    const tested = (...times: number[]) => runSelfTest(candidate, { slowestMs: 50 }, clock(...times))
    expect(() => tested(60, 51, 70)).toThrow(refused('takes 51 ms, more than the 50 ms allowed'))
    expect(() => tested(1, 60, 70, 80)).toThrow(refused('takes 60 ms'))
    expect(() => tested(60, 51, 50, 50)).not.toThrow()
  })
})

describe('the largest legal requests', () => {
  const sample = {
    principal: { id: 'é' },
    resources: [{ type: 'queue', name: 'q', labels: [], parts: [{ name: 'body', labels: ['x'], uses: ['derived'] }] }],
  }
  const requests = largestRequests(sample, { 'public.customers': { ssn: ['pii'], dob: ['pii'] } })

  test('fill the limit and stay under it', () => {
    for (const text of requests) {
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_REQUEST_BYTES)
      expect(Buffer.byteLength(text)).toBeGreaterThan(MAX_REQUEST_BYTES * 0.9)
    }
  })

  test('hold the sample and, once, everything that has a label', () => {
    for (const text of requests) {
      const [own, labelled, ...more] = JSON.parse(text).resources
      expect(own).toEqual(sample.resources[0])
      expect(labelled).toEqual({
        type: 'queue',
        name: 'public.customers',
        labels: [],
        parts: [
          { name: 'ssn', labels: ['pii'], uses: ['derived'] },
          { name: 'dob', labels: ['pii'], uses: ['derived'] },
        ],
      })
      expect(JSON.stringify(more)).not.toContain('"labels":["')
    }
  })

  test('are made of nothing too', () => {
    const [wide, deep] = largestRequests({}, {}).map((text) => JSON.parse(text))
    expect(wide.resources.length).toBeGreaterThan(1000)
    expect(deep.resources[0].parts.length).toBeGreaterThan(1000)
  })
})
