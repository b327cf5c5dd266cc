import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { GoMissingError, regocBinary } from '../tools/regoc.ts'
import { EXIT, UsageError } from './exit.ts'
import type { CommandIo } from './command.ts'

/** What the Rego compiler said. `report` is its one JSON document; a third exit code, with no report, is thrown. */
export interface Compiled {
  readonly clean: boolean
  readonly report: Readonly<Record<string, unknown>>
}

export interface Finding {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly code: string
  readonly message: string
  readonly fix: string
}

/** Runs one of the compiler's commands. Throws UsageError where it could not be done, CompilerMissing where it can't be had. */
export async function compile(args: readonly string[], stdin = ''): Promise<Compiled> {
  const child = spawn(await compilerPath(), args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  child.stdin.on('error', () => undefined) // one that refuses its arguments reads nothing
  child.stdin.end(stdin)
  const [out, complaint, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  if (out === '' || (code !== 0 && code !== 1))
    throw new UsageError(complaint.trim() || `the compiler ended with ${code}`)
  const report: unknown = JSON.parse(out)
  if (typeof report !== 'object' || report === null) throw new UsageError('the compiler gave no report')
  return { clean: code === 0, report: { ...report } }
}

async function compilerPath(): Promise<string> {
  try {
    return await regocBinary()
  } catch (error) {
    throw error instanceof GoMissingError ? new CompilerMissing(error.message) : error
  }
}

/** The compiler can't be had on this machine; what the gateway itself runs needs none. */
export class CompilerMissing extends UsageError {}

/** Runs a command that needs the compiler: without one it ends as `unavailable`. */
export async function withCompiler(io: CommandIo, run: () => Promise<number>): Promise<number> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof CompilerMissing)) throw error
    io.stderr.write(`countersign policy: ${error.message}\n`)
    return EXIT.unavailable
  }
}

export function findingsOf(report: Compiled['report']): readonly Finding[] {
  return Array.isArray(report.findings) ? report.findings.filter(isFinding) : []
}

function isFinding(value: unknown): value is Finding {
  return typeof value === 'object' && value !== null && 'file' in value && 'line' in value && 'fix' in value
}

export function findingsText(findings: readonly Finding[]): string {
  return findings
    .map(({ file, line, column, code, message, fix }) => {
      const place = file === '' ? '' : `${file}:${line}:${column}: `
      return `${place}${code}: ${message.replaceAll('\n', '\n    ')}\n    ${fix}\n`
    })
    .join('')
}

export function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

/** What commands over a pack take: where its description is, and whether the answer is wanted as JSON. */
export const PACK_OPTIONS: {
  readonly pack: { readonly type: 'string'; readonly default: 'pack.json' }
  readonly json: { readonly type: 'boolean'; readonly default: false }
} = { pack: { type: 'string', default: 'pack.json' }, json: { type: 'boolean', default: false } }
