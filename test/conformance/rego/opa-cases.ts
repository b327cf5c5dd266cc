import { execFile, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import type { JsonValue } from '../../../engine/access-request.ts'
import { regocBinary } from '../../../tools/regoc.ts'

/** One of OPA's own test cases, compiled for this host; `regoc cases` says what the fields are. */
export interface OpaCase {
  readonly note: string
  readonly file: string
  readonly builtins: readonly string[]
  /** JSON text, so that no number loses a digit. */
  readonly data: string
  readonly input: string | undefined
  readonly wantResult: string | undefined
  readonly wantError: string | undefined
  readonly sortBindings: boolean
  readonly strictError: boolean
  readonly ignoreGenerated: boolean
  readonly refused: string | undefined
  readonly wasm: Uint8Array | undefined
}

const ROOT = join(import.meta.dirname, '..', '..', '..')
const OPA = 'github.com/open-policy-agent/opa'

/** Where Go keeps OPA's module, its test cases among it: fetched by building the compiler. */
async function casesDirectory(): Promise<string> {
  const { stdout } = await promisify(execFile)('go', ['list', '-m', '-f', '{{.Dir}}', OPA], {
    cwd: join(ROOT, 'tools', 'regoc'),
  })
  return join(stdout.trim(), 'v1', 'test', 'cases', 'testdata', 'v1')
}

/** Each `every`th case, in the order of their files. Throws GoMissingError without Go. */
export async function* opaCases(every = 1): AsyncGenerator<OpaCase> {
  const binary = await regocBinary()
  const capabilities = join(ROOT, 'policies', 'capabilities.json')
  const args = ['cases', '--dir', await casesDirectory(), '--capabilities', capabilities, '--every', String(every)]
  const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  for await (const line of createInterface({ input: child.stdout })) yield caseOf(line)
  const code = await ended
  if (code !== 0) throw new Error(`regoc cases ended with ${code}`)
}

/** Numbers stay text where they are judged: `data`, `input` and `want_result` are cut out of the line as they stand. */
function caseOf(line: string): OpaCase {
  const texts = new Map<string, string>()
  const fields: Readonly<Record<string, JsonValue>> = JSON.parse(line)
  for (const name of ['data', 'input', 'want_result']) if (name in fields) texts.set(name, rawMember(line, name))
  const text = (name: string): string | undefined => (typeof fields[name] === 'string' ? fields[name] : undefined)
  const wasm = text('wasm')
  return {
    note: text('note') ?? '',
    file: text('file') ?? '',
    builtins: Array.isArray(fields.builtins) ? fields.builtins.filter((name) => typeof name === 'string') : [],
    data: texts.get('data') ?? '{}',
    input: texts.get('input'),
    wantResult: texts.get('want_result'),
    wantError: text('want_error'),
    sortBindings: fields.sort_bindings === true,
    strictError: fields.strict_error === true,
    ignoreGenerated: fields.ignore_generated_vars === true,
    refused: text('refused'),
    wasm: wasm === undefined ? undefined : Buffer.from(wasm, 'base64'),
  }
}

/** The text of a top-level member. Go writes no space outside of strings. */
function rawMember(line: string, name: string): string {
  let depth = 0
  for (let at = 0; at < line.length; at += 1) {
    const char = line[at]
    if (char === '"') {
      const end = endOfString(line, at)
      if (depth === 1 && line.slice(at, end) === `"${name}"` && line[end] === ':') return valueAt(line, end + 1)
      at = end - 1
    } else if (char === '{' || char === '[') depth += 1
    else if (char === '}' || char === ']') depth -= 1
  }
  throw new Error(`no member ${name}`)
}

function valueAt(line: string, start: number): string {
  let depth = 0
  for (let at = start; at < line.length; at += 1) {
    const char = line[at]
    if (char === '"') at = endOfString(line, at) - 1
    else if (char === '{' || char === '[') depth += 1
    else if (char === '}' || char === ']') depth -= 1
    if (depth < 0 || (depth === 0 && (line[at + 1] === ',' || line[at + 1] === '}')))
      return line.slice(start, at + (depth < 0 ? 0 : 1))
  }
  throw new Error('a member without an end')
}

function endOfString(line: string, start: number): number {
  for (let at = start + 1; at < line.length; at += 1) {
    if (line[at] === '\\') at += 1
    else if (line[at] === '"') return at + 1
  }
  throw new Error('a string without an end')
}
