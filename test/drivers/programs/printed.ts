import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** Standard output and error as one, as a person at a terminal has them: through one pipe, in the order they were written. */
export async function printed(command: string, args: readonly string[], input = ''): Promise<string> {
  const child = spawn('sh', ['-c', 'exec "$0" "$@" 2>&1', command, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (more: string) => (text += more))
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  await once(child, 'close')
  return text
}
