import { describe, expect, test } from 'vitest'
import { constant, sealRequest, type AccessRequest } from '../../../engine/access-request.ts'
import type { PolicyAnswer } from '../../../engine/policy/evaluator.ts'
import { openBundle, UNHURRIED, type ActivePolicy } from '../../../engine/policy/index.ts'
import { onlyWhatIsRead, readSetOf, type ReadPath } from '../../../engine/policy/read-set.ts'
import { VerdictCache } from '../../../engine/policy/verdict-cache.ts'
import { BINDING_KEY } from '../../support/rooms.ts'
import { contentOf, CUSTOMERS, filesOf, fixture, onDisk, pack, requestOf, withFile } from './bundles.ts'

const READS: readonly ReadPath[] = [['principal', 'id'], ['toy', 'parameters'], ['resources']]

/** A cache, and how often it asked; each answer is told from the others by its rule. */
function counted(paths: readonly ReadPath[] = READS) {
  const cache = new VerdictCache(paths)
  let asked = 0
  const evaluate = (): PolicyAnswer => {
    asked += 1
    const reasons = [{ rule: `answer ${asked}`, message: 'm', controls: [] }]
    return { verdict: { kind: 'forward' }, reasons, nondeterministic: null }
  }
  const ask = (request: AccessRequest): string | undefined =>
    cache.answer(sealRequest(request, BINDING_KEY), evaluate).reasons[0]?.rule
  return { cache, ask, evaluate }
}

const base = requestOf({ block: { parameters: ['1', '23'] } }).request
const withBlock = (block: AccessRequest['block']): AccessRequest => ({ ...base, block })

describe('a verdict that is kept', () => {
  test('answers no request that differs in anything the policy reads', () => {
    const { ask } = counted()
    const unlike: AccessRequest[] = [
      base,
      { ...base, principal: { ...base.principal, id: 'mallory' } },
      { ...base, resources: [CUSTOMERS] },
      { ...base, resources: constant([{ ...CUSTOMERS, labels: ['pii'] }]) },
      { ...base, context: { ...base.context, plane: 'toyer' } },
      withBlock({ parameters: ['12', '3'] }),
      withBlock({ parameters: ['123'] }),
      withBlock({ parameters: [null, '23'] }),
      withBlock({ parameters: ['null', '23'] }),
      withBlock({ parameters: '["1","23"]' }),
      withBlock({ parameters: constant({ 0: '1', 1: '23' }) }),
      withBlock({ parameters: '-' }),
      withBlock({ parameters: '#0' }),
      withBlock({ parameters: null }),
      withBlock({}),
      // A value that tries to be the end of one part and the beginning of the next.
      { ...base, principal: { ...base.principal, id: 'reconciler =["1","23"] =[]' } },
      { ...base, principal: { ...base.principal, id: '10:reconciler' } },
    ]
    const answers = unlike.map(ask)
    expect(new Set(answers).size).toBe(unlike.length)
    expect(unlike.map(ask)).toEqual(answers)
  })

  test('answers every request that differs in nothing the policy reads', () => {
    const { ask } = counted()
    const alike: AccessRequest[] = [
      base,
      { ...base, context: { ...base.context, time: '2030-01-01T00:00:00.000Z', session: 's2', transaction: 'open' } },
      { ...base, principal: { ...base.principal, token_id: 'fresh', expires_at: 1 } },
      withBlock({ parameters: ['1', '23'], statement: 'another text' }),
    ]
    expect(new Set(alike.map(ask))).toEqual(new Set(['answer 1']))
  })

  test('knows a constant value by what is in it, not by which object it is', () => {
    const { ask } = counted()
    const constants = [CUSTOMERS, { ...CUSTOMERS }, { ...CUSTOMERS, name: 'others' }].map((resource) =>
      ask({ ...base, resources: constant([resource]) }),
    )
    expect(constants).toEqual(['answer 1', 'answer 1', 'answer 2'])
  })

  test('is frozen: nobody who gets it can change what the next one gets', () => {
    const { cache, evaluate } = counted()
    const answer = cache.answer(sealRequest(base, BINDING_KEY), evaluate)
    expect(() => Reflect.set(answer.verdict, 'kind', 'reject')).not.toThrow()
    expect(answer.verdict.kind).toBe('forward')
  })

  test('is none that a clock had a say in, and no failure', () => {
    const { cache } = counted()
    const sealed = sealRequest(base, BINDING_KEY)
    let asked = 0
    const answers = [1, 2].map(() =>
      cache.answer(sealed, () => {
        asked += 1
        const reasons = [{ rule: 'r', message: 'm', controls: [] }]
        return { verdict: { kind: 'reject' }, reasons, nondeterministic: { 'time.now_ns': { '[]': String(asked) } } }
      }),
    )
    expect(answers[0]).not.toEqual(answers[1])
    const fails = (): never => {
      asked += 1
      throw new Error('no verdict')
    }
    expect(() => cache.answer(sealed, fails)).toThrow('no verdict')
    expect(() => cache.answer(sealed, fails)).toThrow('no verdict')
    expect(asked).toBe(4)
  })

  test('is not made of a request whose key would fill the memory, nor do many of them', () => {
    const { ask } = counted()
    const long = withBlock({ parameters: ['x'.repeat(5000)] })
    expect([ask(long), ask(long)]).toEqual(['answer 1', 'answer 2'])
    const first = withBlock({ parameters: 'first' })
    expect([ask(first), ask(first)]).toEqual(['answer 3', 'answer 3'])
    for (let at = 0; at < 10_000; at += 1) ask(withBlock({ parameters: constant([at]) }))
    expect(ask(first)).not.toBe('answer 3')
    expect(ask(first)).toBe(ask(first))
  })

  test('finds nothing in what a request only inherits', () => {
    const { ask } = counted([['toy', 'constructor'], ['__proto__']])
    expect(ask(base)).toBe(ask(withBlock({})))
  })
})

describe('what a policy reads', () => {
  test('is a list of paths, or the bundle is refused', () => {
    for (const reads of ['input', [['a', 1]], [[]], [null], {}]) {
      expect(() => readSetOf({ reads })).toThrow(expect.objectContaining({ code: 'ERR_POLICY_BUNDLE' }))
    }
    expect(readSetOf({})).toBeNull()
    expect(readSetOf({ reads: [['a', 'b']] })).toEqual([['a', 'b']])
  })

  test('is all that is left of a document', () => {
    const document = { a: { b: 1, c: 2, d: { e: 3 } }, f: [1], g: 'x', h: 1 }
    expect(onlyWhatIsRead(document, [['a', 'b'], ['a', 'd', 'e'], ['f', 'x'], ['nowhere', 'at'], ['h']])).toEqual({
      a: { b: 1, d: { e: 3 } },
      f: [1],
      h: 1,
    })
  })
})

/** The starter pack, telling that it reads something else. */
async function opened(reads: unknown): Promise<ActivePolicy> {
  const files = await filesOf('policies/dist/starter.tar.gz')
  const manifest = JSON.parse(contentOf(files, '.manifest').toString())
  const told = { ...manifest, metadata: { ...manifest.metadata, reads } }
  return openBundle(
    await onDisk(pack(withFile(files, '.manifest', JSON.stringify(told)))),
    { kind: 'unsigned' },
    UNHURRIED,
  )
}

describe('a bundle that tells what it reads', () => {
  test('is refused when its own vectors show that it reads more', async () => {
    const { metadata } = await openBundle('policies/dist/starter.tar.gz', { kind: 'unsigned' }, UNHURRIED)
    const reads = readSetOf(metadata) ?? []
    expect(reads).toContainEqual(['resources'])
    await expect(opened(reads.filter(([root]) => root !== 'resources'))).rejects.toThrow(/reads more of the request/)
    await expect(opened(reads.filter((path) => path.join('.') !== 'principal.kind'))).rejects.toThrow(/reads more/)
    await expect(opened(reads)).resolves.toBeDefined()
  })

  test('gives one and the same answer to requests that agree in it', async () => {
    const policy = await openBundle('policies/dist/starter.tar.gz', { kind: 'unsigned' }, UNHURRIED)
    const request = requestOf({ plane: 'postgres', block: { kind: 'select', functions: [] } }).request
    const later = { ...request, context: { ...request.context, time: '2030-01-01T00:00:00.000Z' } }
    const [one, other] = [request, later].map((each) => policy.evaluate('postgres', sealRequest(each, BINDING_KEY), 0))
    expect(other).toBe(one)
  })

  test('is asked each time about a request over which it asks the time, and only about those', async () => {
    const policy = await openBundle('policies/dist/starter.tar.gz', { kind: 'unsigned' }, UNHURRIED)
    const { request } = requestOf({ plane: 'postgres', block: { kind: 'select', functions: [], opaque: [] } })
    const rulesAt = (id: string, owner: string, moment: string): string | undefined => {
      const asked = sealRequest({ ...request, principal: { ...request.principal, id, owner } }, BINDING_KEY)
      return policy.evaluate('postgres', asked, Date.parse(moment)).reasons[0]?.rule
    }
    const [open, weekend] = ['2026-01-14T15:00:00Z', '2026-01-17T15:00:00Z']
    const hours = [open, weekend, open].map((moment) => rulesAt('branch-assistant', 'bruno', moment))
    expect(hours).toEqual([hours[0], 'outside-hours', hours[0]])
    expect(hours[0]).not.toBe('outside-hours')
  })

  test('is asked each time where it tells nothing', async () => {
    const toy = await openBundle(fixture('toy'), { kind: 'unsigned' }, UNHURRIED)
    const request = requestOf({ class: 'read' })
    expect(toy.evaluate('toy', request, 0)).not.toBe(toy.evaluate('toy', request, 0))
  })
})
