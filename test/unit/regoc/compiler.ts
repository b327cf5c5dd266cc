import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import type { TestContext } from 'vitest'
import { GoMissingError, regocBinary } from '../../../tools/regoc.ts'

export const ROOT: string = join(import.meta.dirname, '..', '..', '..')

export interface Finding {
  readonly file: string
  readonly line: number
  readonly code: string
  readonly message: string
  readonly fix: string
}

export interface Run {
  readonly code: number
  /** The one JSON document that every command prints; null when it could not do its work. */
  readonly report: {
    readonly ok?: boolean
    readonly findings?: readonly Finding[]
    readonly [key: string]: unknown
  } | null
  readonly stderr: string
}

/** Runs the compiler. Without Go the test is skipped and says so; on CI, where Go belongs, it fails. */
export async function regoc(context: TestContext, args: readonly string[], stdin = ''): Promise<Run> {
  const binary = await regocBinary().catch((error: unknown) => {
    if (error instanceof GoMissingError && process.env.CI !== 'true') context.skip(error.message)
    throw error
  })
  return new Promise((resolve, reject) => {
    const child = execFile(binary, args, { cwd: ROOT, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number') return reject(error)
      resolve({
        code: typeof error?.code === 'number' ? error.code : 0,
        report: stdout === '' ? null : parse(stdout),
        stderr,
      })
    })
    child.stdin?.end(stdin)
  })
}

function parse(text: string): Run['report'] {
  const report: unknown = JSON.parse(text)
  if (typeof report !== 'object' || report === null) throw new TypeError(`expected a JSON object, found ${text}`)
  return { ...report }
}

/** A pack of the library, the plane's main.rego and the files given; gone when the test ends. Returns its JSON file. */
export async function scratchPack(
  context: TestContext,
  files: Readonly<Record<string, string>>,
  more: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'countersign-pack-'))
  context.onTestFinished(() => rm(home, { recursive: true, force: true }))
  for (const source of ['lib', 'postgres'])
    await cp(join(ROOT, 'policies', source), join(home, source), { recursive: true })
  for (const [name, text] of Object.entries(files)) {
    const path = join(home, 'case', name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
  }
  const shared = (path: string): string => relative(home, join(ROOT, path))
  const pack = {
    name: 'scratch',
    planes: [{ id: 'postgres', schema: shared('planes/postgres/request.schema.json') }],
    sources: ['lib', 'postgres', 'case'],
    controls: shared('compliance-mappings'),
    capabilities: shared('policies/capabilities.json'),
    ...more,
  }
  await writeFile(join(home, 'pack.json'), JSON.stringify(pack))
  return join(home, 'pack.json')
}

export async function readJson(path: string): Promise<unknown> {
  return JSON.parse(await readFile(join(ROOT, path), 'utf8'))
}
