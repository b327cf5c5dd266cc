import * as fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { isConstant } from '../../../engine/access-request.ts'
import { ControlResolver, isCitable, loadControlPack, requireControls } from '../../../engine/controls/index.ts'
import type { ControlPack } from '../../../engine/controls/index.ts'
import { EVENT_NAMES } from '../../../engine/evidence/index.ts'
import { openBundle, UNHURRIED } from '../../../engine/policy/index.ts'
import { openRooms, request, transfer } from '../../support/rooms.ts'

let pack: ControlPack
let resolver: ControlResolver

beforeAll(async () => {
  pack = await loadControlPack()
  resolver = new ControlResolver(pack)
})

describe('a record cites', () => {
  test('three to six controls, whatever its event', () => {
    for (const event of EVENT_NAMES) {
      const { controls, control_pack: digest } = resolver.cite(event, [])
      expect.soft(controls.length, event).toBeGreaterThanOrEqual(3)
      expect.soft(controls.length, event).toBeLessThanOrEqual(6)
      expect(digest).toBe(pack.digest)
    }
  })

  test('what its rules name first, then direct ones, the handbook’s before others', () => {
    expect(resolver.cite('decision.hold', ['GLBA.III.C.1.e', 'IS.II.C.15', 'IS.II.C.7(c)']).controls).toEqual([
      'IS.II.C.7(c)',
      'IS.II.C.15',
      'GLBA.III.C.1.e',
      'IS.II.C.7(b)',
      'IS.II.C.13',
      'IS.II.C.15(b)',
    ])
  })

  test('nothing that depends on what an event can’t tell, unless a rule says so', () => {
    expect(resolver.cite('approval.requested', []).controls).not.toContain('AIO.III.A.3')
    expect(resolver.cite('decision.reject', ['AIO.III.A.3']).controls[0]).toBe('AIO.III.A.3')
  })

  test('never a withdrawn framework’s control, one from memory, or one that nobody can look up', () => {
    const named = ['D3.PC.Am.B.1', 'GLBA.III.C.1.d', 'MADE.UP', '']
    expect(resolver.cite('decision.reject', named)).toEqual(resolver.cite('decision.reject', []))
  })

  test('property: always six at most, each once, all citable, those of the rules first, the same in any order', () => {
    const ids = [...pack.controls.keys(), 'MADE.UP', 'constructor', '__proto__']
    fc.assert(
      fc.property(
        fc.constantFrom(...EVENT_NAMES),
        fc.array(fc.constantFrom(...ids), { maxLength: 12 }),
        (event, named) => {
          const { controls } = resolver.cite(event, named)
          const citable = new Set(named.filter((id) => citableId(id)))
          expect(controls.length).toBeLessThanOrEqual(6)
          expect(new Set(controls).size).toBe(controls.length)
          expect(controls.every(citableId)).toBe(true)
          expect(controls.slice(0, citable.size).every((id) => citable.has(id))).toBe(true)
          expect(resolver.cite(event, named.toReversed()).controls).toEqual(controls)
          expect(new ControlResolver(pack).cite(event, named).controls).toEqual(controls)
        },
      ),
    )
  })
})

function citableId(id: string): boolean {
  const control = pack.controls.get(id)
  return control !== undefined && isCitable(control)
}

describe('on the way of a decision', () => {
  test('the same rules give the same frozen object, so that its canonical form is kept', () => {
    const named = ['IS.II.C.18', 'IS.II.C.7(b)']
    const once = resolver.cite('decision.forward', named)
    expect(resolver.cite('decision.forward', [...named])).toBe(once)
    expect(isConstant(once.controls)).toBe(true)
  })

  test('a policy that makes up ids without end is answered, and fills no memory', () => {
    const fresh = new ControlResolver(pack)
    const plain = fresh.cite('decision.reject', [])
    for (let made = 0; made < 12_000; made += 1) {
      expect(fresh.cite('decision.reject', [`MADE.${made}`]).controls).toEqual(plain.controls)
    }
    expect(fresh.cite('decision.reject', ['MADE.1'])).toBe(fresh.cite('decision.reject', ['MADE.1']))
    expect(fresh.cite('decision.reject', ['MADE.11999'])).not.toBe(fresh.cite('decision.reject', ['MADE.11999']))
  })
})

test('every record of a gateway cites its controls and the pack, the log’s own records too', async () => {
  await using rooms = await openRooms()
  const session = rooms.session()
  const signal = new AbortController().signal
  const decision = await session.decide(request(rooms), { signal, patienceMs: 10 })
  await session.settle(decision, { status: 'ok', rows: 1, bytes: 1, masks: [], error: null })
  await session.decide(transfer(rooms, '5.00'), { signal, patienceMs: 1 })
  await session.close('done')
  await rooms.evidence.close()
  const records = rooms.records()
  expect(records.map(({ event }) => event)).toEqual(
    expect.arrayContaining(['writer.opened', 'policy.activated', 'outcome.ok', 'approval.requested', 'writer.closed']),
  )
  for (const { event, controls, control_pack: digest } of records) {
    expect.soft(controls, String(event)).toMatchObject({ length: expect.toSatisfy((n: number) => n >= 3 && n <= 6) })
    expect.soft(digest, String(event)).toBe(pack.digest)
  }
})

describe('a policy is refused when a rule names a control that the pack doesn’t have:', () => {
  test('the shipped bundles name none such', async () => {
    for (const name of ['starter', 'allow-all']) {
      const { metadata } = await openBundle(`policies/dist/${name}.tar.gz`, { kind: 'unsigned' }, UNHURRIED)
      expect(() => requireControls(pack, metadata)).not.toThrow()
    }
  })

  test('rule, id and cure are said', () => {
    const metadata = {
      rules: [{ id: 'no-gold', verdict: 'reject', title: 'T', controls: ['IS.II.C.18', 'IS.II.C.99'] }],
    }
    expect(() => requireControls(pack, metadata)).toThrow(
      expect.objectContaining({
        code: 'ERR_CONFIG_CONTROLS',
        message: expect.stringMatching(/rule no-gold: .*found IS\.II\.C\.99; .*controls\.directory/),
      }),
    )
  })
})
