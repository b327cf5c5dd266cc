import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { signerText, verifierText, type Cosigner, type NoteVerifier } from '../../engine/evidence/index.ts'

export interface WitnessProcess {
  readonly url: string
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
}

export interface WitnessProcessOptions {
  readonly cosigner: Cosigner
  readonly logs: readonly NoteVerifier[]
  /** Holds the key file, and the state in `state`. */
  readonly home: string
  /** 0: any free one. */
  readonly port?: number
}

/** `countersign witness` as it is started by its operator, ready when this resolves. */
export async function startWitness({ cosigner, logs, home, port = 0 }: WitnessProcessOptions): Promise<WitnessProcess> {
  const key = join(home, 'witness.key')
  writeFileSync(key, signerText(cosigner), { mode: 0o600 })
  const args = ['witness', '--key', key, '--state', join(home, 'state'), '--listen', `127.0.0.1:${port}`]
  const logArgs = logs.flatMap((log) => ['--log', verifierText(log)])
  const child = spawn(process.execPath, ['cli/main.ts', ...args, ...logArgs], { stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(child, 'exit')
  let told = ''
  child.stderr.on('data', (chunk: Buffer) => (told += chunk.toString()))
  const url = await Promise.race([addressIn(child.stdout), exited.then(() => null)])
  if (url === null) throw new Error(`the witness did not start: ${told}`)
  return {
    url,
    stop: async () => {
      child.kill('SIGTERM')
      await exited
      return child.exitCode
    },
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

async function addressIn(output: Readable): Promise<string | null> {
  for await (const line of createInterface({ input: output })) if (line.includes('http://')) return line.trim()
  return null
}
