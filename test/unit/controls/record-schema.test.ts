import { globSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { RECORDED_EVENTS } from '../../../engine/controls/index.ts'
import { EVENT_NAMES } from '../../../engine/evidence/index.ts'
import { complaintsAbout, eventsOfSchema } from '../../support/record-schema.ts'
import { openRooms, request, transfer } from '../../support/rooms.ts'

/** Every event name that stands in the product's sources beside the word `event`, in a table of events, or as what a command notes. */
function eventsInSources(): ReadonlySet<string> {
  const found = new Set<string>()
  const names: ReadonlySet<string> = new Set(EVENT_NAMES)
  for (const path of globSync('{engine,cli,console,planes}/**/*.ts')) {
    if (path.startsWith('engine/controls/')) continue
    const source = readFileSync(path, 'utf8')
    for (const [, name = ''] of source.matchAll(
      /(?:event: |^ {2}[a-z_]+: |noteInEvidence\([^;]*?)'([a-z_]+\.[a-z_]+)'/gm,
    ))
      if (names.has(name)) found.add(name)
    // A union of names, one a line.
    for (const [, name = ''] of source.matchAll(/^ {2}\| '([a-z_]+\.[a-z_]+)'$/gm)) if (names.has(name)) found.add(name)
    // Families whose last part is put in: decision.${verdict}, outcome.${status}, approval.${state}.
    for (const [, family = ''] of source.matchAll(/(?:event: |\| )`([a-z]+)\.\$\{/g)) {
      for (const name of EVENT_NAMES) if (name.startsWith(`${family}.`)) found.add(name)
    }
  }
  return found
}

describe('the events that this version records', () => {
  test('are those that its sources record', () => {
    expect([...RECORDED_EVENTS].toSorted()).toEqual([...eventsInSources()].toSorted())
  })

  test('have each a definition in the published schema, which has no other', () => {
    expect(eventsOfSchema()).toEqual([...RECORDED_EVENTS].toSorted())
  })
})

function example(): Record<string, unknown> {
  const guide = readFileSync('docs/auditors-guide.md', 'utf8')
  const [, text = ''] = /```json\n(\{\n {2}"action"[\s\S]*?)\n```/.exec(guide) ?? []
  return JSON.parse(text)
}

describe('the published schema', () => {
  test('takes the decision record that the auditors’ guide explains', () => {
    expect(complaintsAbout(example())).toEqual([])
  })

  test.for([
    ['a field of nobody’s', (record: Record<string, unknown>) => ({ ...record, comment: 'x' })],
    [
      'a value among the resources',
      (record) => ({
        ...record,
        resources: [{ type: 't', name: 'n', labels: [], parts: [{ name: 'p', labels: [], uses: [], values: ['1'] }] }],
      }),
    ],
    ['a decision without its policy', ({ policy: _policy, ...record }) => record],
    ['seven controls', (record) => ({ ...record, controls: ['1', '2', '3', '4', '5', '6', '7'] })],
    ['a pack without controls', ({ controls: _controls, ...record }) => record],
    ['an event that no version records', (record) => ({ ...record, event: 'incident.opened' })],
    ['an event of another family', (record) => ({ ...record, event: 'session.closed' })],
    ['a time without milliseconds', (record) => ({ ...record, ts: '2026-04-18T09:00:00Z' })],
  ] satisfies readonly (readonly [string, (record: Record<string, unknown>) => unknown])[])(
    'refuses %s',
    ([, spoil]) => {
      expect(complaintsAbout(spoil(example()))).not.toEqual([])
    },
  )

  test('takes every record that the engine’s rooms write', async () => {
    await using rooms = await openRooms()
    const session = rooms.session()
    const options = { signal: new AbortController().signal, patienceMs: 1 }
    const decided = await session.decide(request(rooms), options)
    await session.settle(decided, { status: 'failed', rows: null, bytes: 0, masks: [], error: '57014' })
    await session.decide(transfer(rooms, '5.00'), options)
    await session.decide(request(rooms, { kind: 'delete' }), options)
    await session.refuse({ action: 'postgres.parse', code: 'ERR_NORMALIZE_SYNTAX', message: 'no', block: {} })
    await session.decide(request(rooms), options)
    await session.close('done')
    await rooms.evidence.close()
    const records = rooms.records()
    expect(records.length).toBeGreaterThan(9)
    expect(records.flatMap(complaintsAbout)).toEqual([])
  })
})
