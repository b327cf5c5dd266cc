import { main } from '../../cli/main.ts'
import type { ChildResult } from './child.ts'

/** One command line, in this process: its exit code and what it printed. */
export async function countersign(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const printed = { out: '', err: '' }
  const io = {
    stdout: { write: (text: string) => (printed.out += text) },
    stderr: { write: (text: string) => (printed.err += text) },
    env: process.env,
  }
  return { code: await main(argv, io), ...printed }
}

/** As `countersign` of child.ts answers, without a process of its own: for tests that ask often. */
export async function countersignHere(
  args: readonly string[],
  { env = {} }: { readonly env?: Readonly<Record<string, string>> } = {},
): Promise<ChildResult> {
  const printed = { stdout: '', stderr: '' }
  const io = {
    stdout: { write: (text: string) => (printed.stdout += text) },
    stderr: { write: (text: string) => (printed.stderr += text) },
    env: { ...process.env, ...env },
  }
  return { status: await main(args, io), ...printed }
}
