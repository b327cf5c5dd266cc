import { describe, expect, test } from 'vitest'
import { PolicyStore, openArchive, openBundle } from '../../../engine/policy/index.ts'
import { fixture, requestOf, toyRevision } from './bundles.ts'

const revision = async (name: string) => openArchive(await toyRevision(name), { kind: 'unsigned' })

const write = requestOf({ class: 'write' })
const none = expect.objectContaining({ code: 'ERR_POLICY_NONE' })

describe('PolicyStore', () => {
  test('without a policy nothing is decided', () => {
    const store = new PolicyStore()
    expect(() => store.current()).toThrow(none)
  })

  test('a swap is whole, and a request in flight keeps its policy', async () => {
    const store = new PolicyStore()
    store.activate(await revision('one'))
    const inFlight = store.current()
    store.activate(await revision('two'))
    expect(inFlight.reference.revision).toBe('one')
    expect(inFlight.data.approvers).toEqual(['one'])
    expect(inFlight.evaluate('toy', write, 0).verdict).toMatchObject({ terms: { approvers: ['one'] } })
    expect(store.current().reference.revision).toBe('two')
    expect(store.current().evaluate('toy', write, 0).verdict).toMatchObject({ terms: { approvers: ['two'] } })
    expect(inFlight.evaluate('toy', write, 0).verdict).toMatchObject({ terms: { approvers: ['one'] } })
  })

  test('while suspended nothing is decided, in the name of the policy that was in force', async () => {
    const store = new PolicyStore()
    const one = await revision('one')
    store.activate(one)
    store.suspend('nobody knows')
    expect(store.current().reference).toEqual(one.reference)
    expect(() => store.current().evaluate('toy', write, 0)).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_SUSPENDED' }),
    )
    store.resume()
    expect(store.current()).toBe(one)
  })

  test('another policy ends a suspension', async () => {
    const store = new PolicyStore()
    store.activate(await revision('one'))
    store.suspend('nobody knows')
    store.activate(await revision('two'))
    expect(store.current().evaluate('toy', write, 0).verdict).toMatchObject({ terms: { approvers: ['two'] } })
  })

  test('a bundle that does not open changes nothing', async () => {
    const store = new PolicyStore()
    store.activate(await revision('one'))
    await expect(openBundle(fixture('missing-builtin'), { kind: 'unsigned' })).rejects.toMatchObject({
      code: 'ERR_POLICY_BUILTIN',
    })
    expect(store.current().reference.revision).toBe('one')
  })
})
