import { expect, test } from 'vitest'
import { type AccessLogEntry, readEntries } from '../../../../planes/http/envoy/access-log/entry.ts'
import { Reconciler } from '../../../../planes/http/envoy/access-log/reconciler.ts'

const OURS = 'gateway-1'
const entry = (more: Partial<AccessLogEntry>): AccessLogEntry => ({
  wentUp: true,
  allowed: true,
  decision: 'd1',
  by: OURS,
  status: 200,
  ...more,
})

function knowing(...decisions: readonly string[]): Reconciler {
  const reconciler = new Reconciler(OURS)
  for (const decision of decisions) reconciler.allowed(decision)
  return reconciler
}

test('an exchange that was allowed, and told of once, is no finding', () => {
  expect(knowing('d1').take(entry({}))).toBeNull()
})

test.each([
  ['what went up without a word of a processor', entry({ allowed: false, decision: null, by: null }), 'undecided'],
  ['what went up though it was refused', entry({ allowed: false }), 'undecided'],
  ['what went up on a decision that was never made', entry({ decision: 'd9' }), 'unknown_decision'],
])('%s is one', (_what, seen, kind) => {
  expect(knowing('d1').take(seen)).toEqual({ kind, decision: seen.decision })
})

test('two exchanges on one decision are one', () => {
  const reconciler = knowing('d1')
  expect(reconciler.take(entry({}))).toBeNull()
  expect(reconciler.take(entry({}))).toEqual({ kind: 'repeated_decision', decision: 'd1' })
})

test.each([
  ['what Envoy or a policy refused, and never went up', entry({ wentUp: false, allowed: false, decision: null })],
  ['what another gateway has decided', entry({ by: 'gateway-2', decision: 'd7' })],
])('%s is none', (_what, seen) => {
  expect(knowing('d1').take(seen)).toBeNull()
})

test('what Envoy never tells of is one, once, and only after it has ended', () => {
  const reconciler = knowing('d1', 'd2', 'd3')
  reconciler.ended('d1', 0)
  reconciler.ended('d2', 50_000)
  expect(reconciler.overdue(60_000)).toEqual([])
  expect(reconciler.overdue(60_001)).toEqual([{ kind: 'unlogged', decision: 'd1' }])
  expect(reconciler.overdue(70_000)).toEqual([])
  expect(reconciler.overdue(1e9)).toEqual([{ kind: 'unlogged', decision: 'd2' }]) // d3 still runs
})

test.each([null, { http_logs: {} }, { http_logs: { log_entry: [{}] } }])(
  'what is no access log is an error: %j',
  (message) => {
    expect(() => readEntries(message)).toThrow(TypeError)
  },
)

test('what is about no HTTP says nothing', () => {
  expect(readEntries({ tcp_logs: {} })).toEqual([])
})
