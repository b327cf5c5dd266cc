import { describe, expect, test } from 'vitest'
import { BUILTINS } from '../../../engine/policy/builtins.ts'
import { DEFAULT_LIMITS, Evaluator } from '../../../engine/policy/evaluator.ts'
import { Surroundings } from '../../../engine/policy/surroundings.ts'
import { WasmModule } from '../../../engine/policy/wasm-module.ts'
import type { HostCall } from '../../../engine/policy/wasm-module.ts'
import { CUSTOMERS, asking, contentOf, evaluatorOf, filesOf, fixture, requestOf } from './bundles.ts'

const traps = await evaluatorOf('traps')
const moduleOf = async (name: string) => WasmModule.compile(contentOf(await filesOf(fixture(name)), 'policy.wasm'))
const { host } = new Surroundings(0)

describe('an entrypoint is asked for by name', () => {
  test.each(['missing', '', '0', 'echo/verdict', '../echo', 'Echo', 'toString', '__proto__'])(
    '%j has none',
    (plane) => {
      expect(() => traps.evaluate(plane, requestOf(), 0)).toThrow(
        expect.objectContaining({
          code: 'ERR_POLICY_ENTRYPOINT',
          message: `the policy has no entrypoint countersign/${plane}/verdict; build the bundle with it`,
        }),
      )
    },
  )

  test('the first entrypoint does not answer for another', () => {
    const answer = { verdict: 'forward', reasons: [{ rule: 'r', message: 'm', controls: [] }], fields: [], hold: null }
    const request = asking('conflict', { answer, kinds: ['reject'] })
    expect(traps.evaluate('echo', request, 0).verdict.kind).toBe('forward')
    expect(traps.evaluate('conflict', request, 0).verdict.kind).toBe('reject')
  })
})

describe('a conflict of complete rules', () => {
  test('ends the decision and says where', () => {
    expect(() => traps.evaluate('conflict', asking('conflict', { kinds: ['forward', 'reject'] }), 0)).toThrow(
      expect.objectContaining({
        code: 'ERR_POLICY_EVALUATION',
        location: expect.stringMatching(/conflict\.rego:3:1$/),
        message: expect.stringContaining('var assignment conflict'),
      }),
    )
  })

  test('leaves the next decision whole', () => {
    for (let round = 0; round < 3; round += 1) {
      expect(() => traps.evaluate('conflict', asking('conflict', { kinds: ['forward', 'reject'] }), 0)).toThrow(
        expect.objectContaining({ code: 'ERR_POLICY_EVALUATION' }),
      )
      expect(traps.evaluate('conflict', asking('conflict', { kinds: ['forward'] }), 0).verdict.kind).toBe('forward')
    }
  })
})

const failing: HostCall = () => {
  throw new TypeError('4111111111111111')
}

describe('a builtin that fails', () => {
  test('ends the decision, where OPA would let the negation of it pass', () => {
    expect(() => traps.evaluate('builtins', asking('builtins', { case: 'negated', text: 'zz' }), 0)).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_BUILTIN', message: 'hex.decode: expected pairs of hex digits' }),
    )
    expect(() => traps.evaluate('builtins', asking('builtins', { case: 'negated', text: '61' }), 0)).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_RESULT' }),
    )
  })

  test('on undefined the expression is undefined, as the ABI has it', async () => {
    const module = await moduleOf('traps')
    const instance = module.instantiate('{}', 256)
    const number = module.entrypoints.get('countersign/builtins/verdict') ?? -1
    const input = asking('builtins', { case: 'negated', text: 'zz' }).json
    expect(instance.evaluate(number, input, () => undefined)).toContain('not decoded')
  })

  test('with an error of another kind is an error of evaluation, without its words', async () => {
    const module = await moduleOf('traps')
    const number = module.entrypoints.get('countersign/builtins/verdict') ?? -1
    const input = asking('builtins', { case: 'negated', text: 'zz' }).json
    expect(() => module.instantiate('{}', 256).evaluate(number, input, failing)).toThrow(
      expect.objectContaining({
        code: 'ERR_POLICY_EVALUATION',
        message: 'the policy module failed while it decided',
        cause: expect.any(TypeError),
      }),
    )
  })
})

const messageOf = (echo: Parameters<typeof asking>[1]) =>
  traps.evaluate('builtins', asking('builtins', echo), 0).reasons[0]?.message

describe('values cross the bridge whole', () => {
  test('sets, objects in sets and the empty set, in OPA’s order', () => {
    expect(messageOf({ case: 'composite' })).toBe('{1, "a", "b", {"k": [2, null]}} set()')
  })

  test('sets as operands', () => {
    expect(messageOf({ case: 'sets' })).toBe('true')
  })

  test('integers beyond 2^53', () => {
    expect(messageOf({ case: 'date', ns: 1767323045123456, zone: 'UTC' })).toBe('1970 1 21')
    const operands = ['9007199254740993', 'é😀\u2028"\\']
    expect(messageOf({ case: 'sprintf', format: '%s|%s', operands })).toBe(operands.join('|'))
  })
})

describe('the time is fixed per decision', () => {
  test('every look at the clock sees the same nanosecond, and the record tells which', () => {
    const answer = traps.evaluate('clock', requestOf({ plane: 'clock' }), 1_767_323_045_123)
    expect(answer.reasons[0]?.message).toBe('1767323045123000000')
    expect(answer.nondeterministic).toEqual({ 'time.now_ns': { '[]': '1767323045123000000' } })
  })

  test('nothing is recorded where the clock was not asked', () => {
    const answer = traps.evaluate('negation', requestOf({ plane: 'negation' }), 1)
    expect(answer.nondeterministic).toBeNull()
  })
})

describe('re-entrant evaluation', () => {
  test('of one instance is refused, and the outer decision with it', async () => {
    const module = await moduleOf('traps')
    const instance = module.instantiate('{}', 256)
    const number = module.entrypoints.get('countersign/builtins/verdict') ?? -1
    const input = asking('builtins', { case: 'negated', text: 'zz' }).json
    const again: HostCall = () => instance.evaluate(number, input, host)
    expect(() => instance.evaluate(number, input, again)).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_REENTRANT' }),
    )
  })

  test('through a builtin of the table is refused, and later decisions are whole', async () => {
    const evaluator = await evaluatorOf('traps')
    const sly = asking('builtins', { case: 'negated', text: 'zz' })
    let inner: unknown
    const original = BUILTINS.get('hex.decode')
    if (original === undefined) throw new Error('no hex.decode')
    const kept = { ...original }
    Object.assign(original, {
      call: () => {
        try {
          evaluator.evaluate('negation', requestOf({ plane: 'negation' }), 0)
        } catch (error) {
          inner = error
        }
        return 'x'
      },
    })
    try {
      expect(() => evaluator.evaluate('builtins', sly, 0)).toThrow(
        expect.objectContaining({ code: 'ERR_POLICY_RESULT' }),
      )
    } finally {
      Object.assign(original, kept)
    }
    expect(inner).toMatchObject({ code: 'ERR_POLICY_REENTRANT' })
    expect(evaluator.evaluate('negation', requestOf({ plane: 'negation' }), 0).verdict.kind).toBe('forward')
  })
})

const memory = (which: string) => asking('memory', { case: which, text: 'abc123' })

describe('memory', () => {
  test('its limit ends a loop that allocates, soon, and the next decision is whole', async () => {
    const evaluator = await evaluatorOf('traps')
    expect(() => evaluator.evaluate('memory', memory('endless'), 0)).toThrow(
      expect.objectContaining({
        code: 'ERR_POLICY_MEMORY',
        message: 'the policy needed more memory than one decision may use',
      }),
    )
    expect(evaluator.evaluate('memory', memory('small'), 0).verdict.kind).toBe('forward')
  })

  test('a limit too small for the policy’s own data is an error, not a smaller policy', async () => {
    const module = await moduleOf('traps')
    const data = JSON.stringify({ long: 'x'.repeat(4_000_000) })
    expect(() => module.instantiate(data, 20)).toThrow(expect.objectContaining({ code: 'ERR_POLICY_MEMORY' }))
  })

  test('a grown instance is recycled: what it took is given back', async () => {
    const module = await moduleOf('traps')
    const number = module.entrypoints.get('countersign/memory/verdict') ?? -1
    const grown = module.instantiate('{}', DEFAULT_LIMITS.pages)
    const before = grown.memoryBytes
    grown.evaluate(number, memory('large').json, host)
    expect(grown.memoryBytes - before).toBeGreaterThan(DEFAULT_LIMITS.recycleAfterBytes)

    let made = 0
    const counted = Object.create(module, {
      entrypoints: { value: module.entrypoints },
      instantiate: {
        value: (data: string, pages: number) => {
          made += 1
          return module.instantiate(data, pages)
        },
      },
    })
    const evaluator = new Evaluator(counted, '{}')
    for (const which of ['small', 'small', 'large', 'small', 'small', 'large', 'large', 'small']) {
      expect(evaluator.evaluate('memory', memory(which), 0).verdict.kind).toBe('forward')
    }
    expect(made).toBe(4)
  })

  test('twenty thousand decisions leave the heap where it was', async () => {
    const module = await moduleOf('traps')
    const number = module.entrypoints.get('countersign/memory/verdict') ?? -1
    const instance = module.instantiate('{}', DEFAULT_LIMITS.pages)
    const decide = (round: number) =>
      instance.evaluate(number, asking('memory', { case: 'small', text: `abc${round}` }).json, host)
    for (let round = 0; round < 100; round += 1) decide(round)
    const settled = instance.memoryBytes
    for (let round = 0; round < 20_000; round += 1) expect(decide(round)).toContain('"forward"')
    expect(instance.memoryBytes).toBe(settled)
  })
})

describe('data', () => {
  test('is what the policy decides by', async () => {
    const toy = await evaluatorOf('toy')
    const request = requestOf({ resources: [CUSTOMERS] })
    expect(toy.evaluate('toy', request, 0).verdict).toEqual({
      kind: 'mask',
      fields: [{ field: 'customers.ssn', method: 'last4' }],
    })
  })

  test.each(['', 'x', '{', '{"a":}', 'undefined'])('that is not JSON is refused: %j', async (data) => {
    const module = await moduleOf('toy')
    expect(() => module.instantiate(data, 256)).toThrow(expect.objectContaining({ code: 'ERR_POLICY_DATA' }))
  })
})

describe('a module', () => {
  test.each([
    ['nothing', Buffer.alloc(0), 'is not a WebAssembly module'],
    ['text', Buffer.from('package x'), 'is not a WebAssembly module'],
    ['a module of nothing', Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]), 'speaks ABI 0.0; expected 1.2 or later'],
    // (import "wasi_snapshot_preview1" "fd_write" (func)): reaches for the host.
    [
      'one that imports what is not OPA’s',
      Buffer.concat([
        Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 2, 35, 1, 22]),
        Buffer.from('wasi_snapshot_preview1'),
        Buffer.from([8]),
        Buffer.from('fd_write'),
        Buffer.from([0, 0]),
      ]),
      "imports wasi_snapshot_preview1.fd_write, which OPA's ABI has not",
    ],
  ])('%s is refused', async (_what, bytes, message) => {
    await expect(WasmModule.compile(bytes)).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_MODULE', message: `policy.wasm ${message}` }),
    )
  })
})
