import { describe, expect, test } from 'vitest'
import { PolicyStore, openBundle } from '../../../engine/policy/index.ts'
import { contentOf, filesOf, fixture, onDisk, pack, requestOf, withFile } from './bundles.ts'

const toy = await filesOf(fixture('toy'))

/** The toy policy at another revision, with other approvers. */
async function revision(name: string) {
  const manifest = JSON.parse(contentOf(toy, '.manifest').toString())
  const data = JSON.parse(contentOf(toy, 'data.json').toString())
  const files = withFile(
    withFile(toy, '.manifest', JSON.stringify({ ...manifest, revision: name })),
    'data.json',
    JSON.stringify({ ...data, approvers: [name] }),
  )
  return openBundle(await onDisk(pack(files)), { kind: 'unsigned' })
}

const write = requestOf({ class: 'write' })
const none = expect.objectContaining({ code: 'ERR_POLICY_NONE' })

describe('PolicyStore', () => {
  test('without a policy nothing is decided', () => {
    const store = new PolicyStore()
    expect(() => store.current()).toThrow(none)
    expect(() => store.rollback()).toThrow(none)
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

  test('the one before stays for rollback, and rollback can be undone', async () => {
    const store = new PolicyStore()
    store.activate(await revision('one'))
    expect(() => store.rollback()).toThrow(none)
    expect(store.current().reference.revision).toBe('one')
    store.activate(await revision('two'))
    expect(store.rollback().reference.revision).toBe('one')
    expect(store.current().reference.revision).toBe('one')
    expect(store.rollback().reference.revision).toBe('two')
  })

  test('activating what is in force already keeps the one before', async () => {
    const store = new PolicyStore()
    store.activate(await revision('one'))
    store.activate(await revision('two'))
    store.activate(await revision('two'))
    expect(store.rollback().reference.revision).toBe('one')
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
