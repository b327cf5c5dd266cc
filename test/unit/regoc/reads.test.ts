import { describe, expect, test, type TestContext } from 'vitest'
import { regoc, scratchPack } from './compiler.ts'

/** What the library and the plane's own entrypoint read, whatever a pack says. */
const LIBRARY = ['postgres.opaque', 'resources']

async function readsOf(
  context: TestContext,
  body: string,
  more = '',
  files: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const rego = `package countersign.postgres

import data.countersign.lib
${more}
# METADATA
# title: Some rule
# custom:
#   id: some-rule
#   controls: [IS.II.C.18]
forward contains lib.tagged(rego.metadata.rule(), {}) if {
	${body}
}
`
  const pack = await scratchPack(context, { 'a.rego': rego, ...files })
  const { code, report, stderr } = await regoc(context, ['check', '--pack', pack])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const reads: unknown = report?.reads
  return Array.isArray(reads) ? reads.map((path: readonly string[]) => path.join('.')) : reads
}

describe('a bundle tells what its policy reads of a request:', () => {
  test.for([
    ['a member', 'input.principal.kind == "agent"', ['principal.kind']],
    ['a member in brackets', 'input["principal"]["kind"] == "agent"', ['principal.kind']],
    ['all below a variable', 'input.context.approvals[_].id == "a"', ['context.approvals']],
    ['all below a name that is looked up', 'input.principal[input.action.name] == "a"', ['action.name', 'principal']],
    ['what stands under not', 'not input.context.source', ['context.source']],
    ['what is handed to a function', 'count(input.postgres.functions) == 0', ['postgres.functions']],
    ['what a comprehension walks', 'count([f | some f in input.postgres.functions]) == 0', ['postgres.functions']],
    ['what every walks', 'every f in input.postgres.functions { f != "x" }', ['postgres.functions']],
    ['of two paths the shorter', 'input.principal.id == "a"; count(input.principal) > 1', ['principal']],
    ['what `with` puts something else in place of', 'lib.no_rule with input.principal.id as "x"', ['principal.id']],
  ] as const)('%s', async ([, body, wanted], context) => {
    expect(await readsOf(context, body)).toEqual([...wanted, ...LIBRARY].toSorted())
  })

  test('an import, under whatever name', async (context) => {
    const body = 'who.kind == "agent"'
    expect(await readsOf(context, body, 'import input.principal as who')).toEqual([
      'postgres.opaque',
      'principal',
      'resources',
    ])
  })

  test('what a library package reads that nothing refers to: nothing', async (context) => {
    const library = 'package countersign.lib.unasked\n\nx if input.principal.owner == "x"\n'
    const reads = await readsOf(context, 'input.action.class == "read"', '', { 'unasked.rego': library })
    expect(reads).toEqual(['action.class', ...LIBRARY])
    const asked = await readsOf(context, 'data.countersign.lib[_].x', '', { 'unasked.rego': library })
    expect(asked).toContain('principal.owner')
  })

  test('what a rule reads that no entrypoint reaches', async (context) => {
    const more = '\nunreached if input.principal.owner == "x"\n'
    expect(await readsOf(context, 'input.action.class == "read"', more)).toEqual([
      'action.class',
      'postgres.opaque',
      'principal.owner',
      'resources',
    ])
  })

  test.for([
    ['hands the whole request on', 'count(input) > 1'],
    ['gives it another name', 'request := input; request.principal.kind == "agent"'],
    ['looks a part up by a variable', 'some name; input[name].kind == "agent"'],
    ['puts another in its place', 'lib.no_rule with input as {}'],
    ['walks it', 'walk(input, [_, "x"])'],
  ] as const)('nothing, so that no verdict is kept, where a rule %s', async ([, body], context) => {
    expect(await readsOf(context, body)).toBeNull()
  })
})
