import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { EXIT, UsageError } from './exit.ts'
import { json } from './policy-compiler.ts'

const USAGE = `usage: countersign policy init DIR [--json]

Makes a repository for policies in a new directory: the starter pack for a bank with its tests, cases, the control pack,
the planes' request schemas and a CI workflow. It passes \`check\`, \`fmt\` and \`test\` as it is.
`

const HOME = join(import.meta.dirname, '..')

/** What of this package a repository of policies starts with. */
const COPIED: readonly (readonly [from: string, to: string])[] = [
  ['policies/lib', 'lib'],
  ['policies/bank', 'bank'],
  ['policies/capabilities.json', 'capabilities.json'],
  ['policies/host-builtins.json', 'host-builtins.json'],
  ['policies/bank/self-test', 'cases'],
  ['compliance-mappings', 'compliance-mappings'],
]

interface Pack {
  readonly planes: readonly { readonly id: string; readonly schema: string }[]
}

/** `countersign policy init`. */
export async function initCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = commandLine(USAGE, { json: { type: 'boolean', default: false } }, argv)
  if (values.help) {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  const [directory, ...rest] = positionals
  if (directory === undefined || rest.length > 0) throw wrongUsage('init takes one directory', USAGE)
  await fresh(directory)
  for (const [from, to] of COPIED) await cp(join(HOME, from), join(directory, to), { recursive: true })
  const starter: unknown = JSON.parse(await readFile(join(HOME, 'policies', 'starter.json'), 'utf8'))
  if (!isPack(starter)) throw new Error("the package's own starter pack is not one")
  for (const { id, schema } of starter.planes) {
    await cp(join(HOME, 'policies', id), join(directory, id), { recursive: true })
    await put(directory, join('schemas', `${id}.json`), await readFile(join(HOME, 'policies', schema), 'utf8'))
  }
  const planes = starter.planes.map(({ id }) => ({ id, schema: `schemas/${id}.json` }))
  await put(directory, 'pack.json', packJson(planes))
  await put(directory, '.github/workflows/policy.yml', WORKFLOW)
  await put(directory, 'README.md', README)
  io.stdout.write(values.json ? json({ ok: true, directory }) : `${directory} is ready; see its README.md\n`)
  return EXIT.ok
}

function isPack(value: unknown): value is Pack {
  return typeof value === 'object' && value !== null && 'planes' in value && Array.isArray(value.planes)
}

/** Only into nothing: a policy that somebody wrote is never overwritten. */
async function fresh(directory: string): Promise<void> {
  const there = await readdir(directory).catch(() => [])
  if (there.length > 0) throw new UsageError(`${directory}: expected a new or an empty directory; found files in it`)
  await mkdir(directory, { recursive: true })
}

async function put(directory: string, name: string, content: string): Promise<void> {
  const path = join(directory, name)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content)
}

function packJson(planes: Pack['planes']): string {
  const sources = ['lib', ...planes.map(({ id }) => id), 'bank']
  const pack = {
    name: 'bank',
    planes,
    sources,
    controls: 'compliance-mappings',
    capabilities: 'capabilities.json',
    self_test: 'bank/self-test',
  }
  return `${JSON.stringify(pack, null, 2)}\n`
}

const WORKFLOW = `name: policy
on: [push, pull_request]
jobs:
  policy:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with: { node-version: 24 }
      - uses: actions/setup-go@v5
        with: { go-version: '1.26' }
      - run: npx countersign policy lint
      - run: npx countersign policy test --cases cases --junit junit.xml
      - run: npx countersign policy build --out bundle.tar.gz --git-revision "$GITHUB_SHA"
`

const README = `# Policies

| | |
|---|---|
| \`pack.json\` | what becomes one bundle |
| \`bank/\` | this bank's rules, their unit tests (\`*_test.rego\`) and their data |
| \`lib/\` | what rules share: how verdicts combine |
| \`cases/\` | requests with the answers that are wanted, run through the compiled module |
| \`schemas/\` | what policy sees of a request, by plane: a misspelt field is an error |
| \`compliance-mappings/\` | the controls that a rule may name |

    npx countersign policy lint
    npx countersign policy test --cases cases
    npx countersign policy build --out bundle.tar.gz
    npx countersign policy diff old.tar.gz bundle.tar.gz --cases cases
    npx countersign policy replay bundle.tar.gz --evidence DIR --since 2026-11-18
`
