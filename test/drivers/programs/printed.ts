import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** Standard output and error as one, as a person at a terminal has them. */
export async function printed(command: string, args: readonly string[], input = ''): Promise<string> {
  const child = spawn(command, [...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (more: string) => (text += more))
  child.stderr.setEncoding('utf8').on('data', (more: string) => (text += more))
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  await once(child, 'close')
  return text
}
