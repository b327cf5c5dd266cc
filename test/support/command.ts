import { main } from '../../cli/main.ts'

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
