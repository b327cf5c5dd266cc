import { describe, expect, test } from 'vitest'
import { readJson, regoc, scratchPack } from './compiler.ts'

for (const name of ['starter', 'allow-all']) {
  const pack = `policies/${name}.json`

  describe(`the pack ${name}`, () => {
    test('passes check', async (context) => {
      expect((await regoc(context, ['check', '--pack', pack])).report).toMatchObject({ ok: true, findings: [] })
    })

    test('is formatted', async (context) => {
      expect((await regoc(context, ['fmt', '--pack', pack])).report).toEqual({ ok: true, files: [] })
    })
  })
}

// Those of the starter pack are run in test/unit/cli/policy.test.ts, by the command.
test('the pack allow-all passes its own tests, which reach every line', async (context) => {
  const { code, report } = await regoc(context, ['test', '--pack', 'policies/allow-all.json'])
  expect(report).toMatchObject({ ok: true, failed: [], coverage: { percent: 100, uncovered: {} } })
  expect(report?.passed).toBeGreaterThan(10)
  expect(code).toBe(0)
})

const RULE = `package countersign.postgres
import data.countersign.lib

# METADATA
# title: Some rule
# custom:
#   id: some-rule
#   controls: [IS.II.C.18]
forward contains lib.tagged(rego.metadata.rule(), {}) if {
	input.action.class == "read"
	input.principal.kind == "agent"
}
`
const tests = (body: string): string => `package countersign.some_test\n\n${body}\n`

describe('test says no to', () => {
  test('a failing test, with its place', async (context) => {
    const files = {
      'a.rego': RULE,
      'a_test.rego': tests('test_it if {\n\tcount(data.countersign.postgres.forward) == 1\n}'),
    }
    const { code, report } = await regoc(context, [
      'test',
      '--pack',
      await scratchPack(context, files),
      '--threshold',
      '0',
    ])
    expect({ code, failed: report?.failed }).toEqual({
      code: 1,
      failed: [
        {
          file: 'case/a_test.rego',
          line: 4,
          name: 'data.countersign.some_test.test_it',
          message: 'not true: count(data.countersign.postgres.forward) == 1',
        },
      ],
    })
  })

  test('a line that no test reaches', async (context) => {
    const body = 'test_it if {\n\tcount(data.countersign.postgres.forward) == 0 with input.action.class as "write"\n}'
    const { code, report } = await regoc(context, [
      'test',
      '--pack',
      await scratchPack(context, { 'a.rego': RULE, 'a_test.rego': tests(body) }),
    ])
    expect(code).toBe(1)
    expect(report).toMatchObject({
      ok: false,
      failed: [],
      coverage: { uncovered: { 'case/a.rego': expect.any(Array) } },
    })
  })

  test('a skipped test', async (context) => {
    const files = { 'a.rego': RULE, 'a_test.rego': tests('todo_test_it if true') }
    const { report } = await regoc(context, ['test', '--pack', await scratchPack(context, files), '--threshold', '0'])
    expect(report).toMatchObject({ ok: false, failed: [{ message: expect.stringContaining('shows nothing') }] })
  })

  test('a test that calls a builtin wrongly, rather than taking it for false', async (context) => {
    const files = { 'a.rego': RULE, 'a_test.rego': tests('test_it if {\n\tnot to_number("x")\n}') }
    const { report } = await regoc(context, ['test', '--pack', await scratchPack(context, files), '--threshold', '0'])
    expect(report).toMatchObject({ ok: false, failed: [{ message: expect.stringContaining('to_number') }] })
  })
})

test('capabilities.json is what this compiler and the host’s list make', async (context) => {
  const { code, report } = await regoc(context, ['capabilities', '--host', 'policies/host-builtins.json'])
  expect(code).toBe(0)
  expect(report).toEqual(await readJson('policies/capabilities.json'))
})

test('eval answers as the interpreter does, and refuses what is not a request', async (context) => {
  const vector = Object(await readJson('policies/bank/self-test/hold-transfer.json'))
  const args = ['eval', '--pack', 'policies/starter.json', '--plane', 'postgres']
  expect((await regoc(context, args, JSON.stringify(vector.input))).report).toEqual(vector.result)
  expect(await regoc(context, args, '{"principal":')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('not JSON'),
  })
  expect((await regoc(context, args.slice(0, 3))).stderr).toContain('no such plane')
})
