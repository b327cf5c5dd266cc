import { describe, expect, test } from 'vitest'
import { regoc, scratchPack } from './compiler.ts'

/** A policy file with one rule: METADATA in lines 4 to 8, the rule's head in line 9, its body from line 10. */
const policy = ({
  packageName = 'countersign.postgres',
  metadata = 'id: some-rule\n#   controls: [IS.II.C.18]',
  head = 'forward contains lib.tagged(rego.metadata.rule(), {})',
  body = 'input.action.class == "read"',
} = {}): string =>
  `package ${packageName}\nimport data.countersign.lib\n\n# METADATA\n# title: Some rule\n# custom:\n#   ${metadata}\n${head} if {\n\t${body}\n}\n`

const refusals: readonly {
  readonly title: string
  readonly rego: string
  readonly data?: string
  readonly code: string
  readonly line: number
  readonly says: RegExp
  readonly fix: RegExp
}[] = [
  {
    title: 'a misspelt field, which would be undefined and never fire',
    rego: policy({ body: 'input.principal.groop == "agents"' }),
    code: 'undefined_field',
    line: 10,
    says: /input\.principal\.groop/,
    fix: /request\.schema\.json/,
  },
  {
    title: 'a field of a nested resource part that does not exist',
    rego: policy({ body: 'input.resources[_].parts[_].usage == "output"' }),
    code: 'undefined_field',
    line: 10,
    says: /parts/,
    fix: /misspelt/,
  },
  {
    title: 'another plane’s block',
    rego: policy({ body: 'input.sqs.queue == "x"' }),
    code: 'undefined_field',
    line: 10,
    says: /input\.sqs/,
    fix: /misspelt/,
  },
  {
    title: 'a control that is not in the pack',
    rego: policy({ metadata: 'id: some-rule\n#   controls: [IS.II.C.99]' }),
    code: 'unknown_control',
    line: 4,
    says: /IS\.II\.C\.99/,
    fix: /compliance-mappings/,
  },
  {
    title: 'a rule without controls',
    rego: policy({ metadata: 'id: some-rule' }),
    code: 'metadata',
    line: 4,
    says: /names no control/,
    fix: /custom\.controls/,
  },
  {
    title: 'a rule without an id',
    rego: policy({ metadata: 'controls: [IS.II.C.18]' }),
    code: 'metadata',
    line: 4,
    says: /custom\.id/,
    fix: /METADATA/,
  },
  {
    title: 'a rule without METADATA',
    rego: 'package countersign.postgres\n\nreject contains {"rule": "r"} if input.action.class == "read"\n',
    code: 'metadata',
    line: 3,
    says: /"reject" has no METADATA/,
    fix: /directly above the rule/,
  },
  {
    title: 'a builtin that reaches the network',
    rego: policy({ body: 'http.send({"method": "GET", "url": "http://idp"}).status_code == 200' }),
    code: 'unsupported_builtin',
    line: 10,
    says: /http\.send/,
    fix: /host-builtins\.json/,
  },
  {
    title: 'a builtin that prints what policy sees',
    rego: policy({ body: 'print(input)' }),
    code: 'unsupported_builtin',
    line: 10,
    says: /print/,
    fix: /host-builtins\.json/,
  },
  {
    title: 'a package that no entrypoint reaches',
    rego: policy({ packageName: 'countersign.postgress' }),
    code: 'unreachable_package',
    line: 1,
    says: /countersign\.postgress/,
    fix: /a plane of this pack/,
  },
  {
    title: 'a verdict set written as a single value',
    rego: policy({ head: 'forward := true', metadata: 'id: r\n#   controls: [IS.II.C.18]' }),
    code: 'verdict_set',
    line: 9,
    says: /can only be a set/,
    fix: /forward contains/,
  },
  {
    title: 'a rule that takes an operator’s place',
    rego: `${policy()}\ndiv := 1\n`,
    code: 'shadows_operator',
    line: 13,
    says: /changes what \/ means/,
    fix: /another name/,
  },
  {
    title: 'a value that the schema does not know, so that the rule never fires',
    rego: policy({ body: 'input.principal.kind == "robot"' }),
    code: 'never_fires',
    line: 10,
    says: /input\.principal\.kind is never "robot"; the schema knows/,
    fix: /correct the value/,
  },
  {
    title: 'a field that would have to have two values',
    rego: policy({ body: 'input.action.class == "read"\n\tinput.action.class == "write"' }),
    code: 'never_fires',
    line: 11,
    says: /can't be both "read" and "write"/,
    fix: /can't fire/,
  },
  {
    title: 'two values on one condition',
    rego: `${policy()}\nlimit := 1\n\nlimit := 2\n`,
    code: 'conflict',
    line: 15,
    says: /limit is 2 here and 1 at case\/case\.rego:13/,
    fix: /exclude each other/,
  },
  {
    title: 'a number where the data has text for a key',
    rego: policy({ body: 'data.limits[2] == "x"' }),
    data: 'limits: { "2": x }',
    code: 'integer_key',
    line: 10,
    says: /looks up a number/,
    fix: /as text: \["2"\]|write the key as text/,
  },
  {
    title: 'an unused import, by strict mode',
    rego: policy().replace('import data.countersign.lib\n', 'import data.countersign.lib\nimport data.agents\n'),
    code: 'rego_compile_error',
    line: 3,
    says: /data\.agents unused/,
    fix: /this place/,
  },
  {
    title: 'what is not Rego',
    rego: 'package countersign.postgres\n\nforward contains if\n\nx := 1\n',
    code: 'rego_parse_error',
    line: 3,
    says: /./,
    fix: /syntax/,
  },
]

describe('check refuses, with file, line and what to do:', () => {
  test.for(refusals)('$title', async ({ rego, data, code, line, says, fix }, context) => {
    const pack = await scratchPack(context, {
      'case.rego': rego,
      ...(data === undefined ? {} : { 'data/a.yaml': data }),
    })
    const { code: exit, report } = await regoc(context, ['check', '--pack', pack])
    expect({ exit, ok: report?.ok }).toEqual({ exit: 1, ok: false })
    expect(report?.findings).toContainEqual(
      expect.objectContaining({
        file: 'case/case.rego',
        line,
        code,
        message: expect.stringMatching(says),
        fix: expect.stringMatching(fix),
      }),
    )
  })

  test('two rules of one id, which no record could tell apart', async (context) => {
    const pack = await scratchPack(context, {
      'a.rego': policy(),
      'b.rego': policy({ body: 'input.action.class == "write"' }),
    })
    const { code, report } = await regoc(context, ['check', '--pack', pack])
    expect(code).toBe(1)
    expect(report?.findings).toEqual([
      expect.objectContaining({
        file: 'case/b.rego',
        line: 9,
        code: 'duplicate_rule',
        message: expect.stringContaining('case/a.rego:9'),
      }),
    ])
  })
})

describe('check cannot be done, exit 2, when', () => {
  test('the pack has a field that it does not know', async (context) => {
    const pack = await scratchPack(context, { 'case.rego': policy() }, { entrypoint: 'x' })
    const { code, report, stderr } = await regoc(context, ['check', '--pack', pack])
    expect({ code, report }).toEqual({ code: 2, report: null })
    expect(stderr).toContain('unknown field "entrypoint"')
  })

  test('two files claim one key of data', async (context) => {
    const files = { 'case.rego': policy(), 'data/a.yaml': 'agents: {}', 'data/b.yaml': 'agents: {}' }
    const { code, stderr } = await regoc(context, ['check', '--pack', await scratchPack(context, files)])
    expect(code).toBe(2)
    expect(stderr).toContain('case/data/b.yaml: "agents" is already taken')
  })

  test('no pack is named', async (context) => {
    expect((await regoc(context, ['check'])).code).toBe(2)
    expect((await regoc(context, ['approve'])).stderr).toContain('regoc <command>')
  })
})

test('a pack that lists a plane or a source twice is none', async (context) => {
  const twice = await scratchPack(context, {}, { sources: ['lib', 'postgres', 'postgres'] })
  expect(await regoc(context, ['check', '--pack', twice])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('postgres is listed twice; leave one'),
  })
})

test('check passes what is in order', async (context) => {
  const pack = await scratchPack(context, { 'case.rego': policy() })
  expect(await regoc(context, ['check', '--pack', pack])).toEqual({
    code: 0,
    report: { ok: true, findings: [], reads: expect.any(Array) },
    stderr: '',
  })
})
