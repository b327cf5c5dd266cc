import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import {
  cosignerFromSeed,
  parseCosigner,
  parseVerifier,
  signerText,
  verifierText,
  Witness,
  type Cosigner,
  type NoteVerifier,
} from '../engine/evidence/index.ts'
import type { EvidenceError } from '../engine/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { EXIT, explain, type UsageError } from './exit.ts'
import { writeKey } from './key-file.ts'
import { openLog, type Log } from './log.ts'
import { nextSignal } from './signals.ts'
import { openWitnessServer } from './witness-server.ts'

const USAGE = `usage: countersign witness --key FILE --state DIR --log KEY [--log KEY]... [--listen HOST:PORT]
       countersign witness key NAME --out FILE

Runs a witness (C2SP tlog-witness): logs send it their checkpoints, and it cosigns each that continues the one before.
Let it run on another host than the gateway, under another account: what it has cosigned, nobody can take back.

  --key FILE          its own key, as "witness key" makes it
  --state DIR         where it keeps what it cosigned last; no copy of it may ever be put back, or used by a second witness
  --log KEY           a log's public key (name+id+base64), or a file that holds it. Both keys of a log while it rotates
  --listen HOST:PORT  (default 127.0.0.1:7430); plain HTTP, so put a TLS proxy before it beyond loopback

key makes a witness's key: the private half into a new FILE, the public half to standard output, for auditors and gateways.

exit: 0 stopped by a signal, 64 wrong usage, 74 its state can't be read or written, 78 can't listen
`

const OPTIONS = {
  key: { type: 'string' },
  state: { type: 'string' },
  log: { type: 'string', multiple: true },
  listen: { type: 'string', default: '127.0.0.1:7430' },
  out: { type: 'string' },
} as const

/** `countersign witness …`; argv is what follows `witness`. */
export async function witnessCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = commandLine(USAGE, OPTIONS, argv)
  if (values.help) {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  const [verb, name, ...rest] = positionals
  if (verb === 'key' && name !== undefined && rest.length === 0) return makeKey(name, values.out, io)
  if (verb !== undefined) throw wrong(`expected no command, or key NAME; found ${positionals.join(' ')}`)
  return run(await settings(values), io)
}

interface Settings {
  readonly cosigner: Cosigner
  readonly logs: readonly NoteVerifier[]
  readonly directory: string
  readonly host: string
  readonly port: number
}

type Values = ReturnType<typeof commandLine<typeof OPTIONS>>['values']

async function settings({ key, state, log = [], listen }: Values): Promise<Settings> {
  if (key === undefined || state === undefined) throw wrong('expected --key FILE and --state DIR')
  if (log.length === 0) throw wrong('expected at least one --log KEY: a witness cosigns only logs that it was told of')
  const cosigner = parseCosigner(await textOf(key, '--key'))
  if (cosigner === undefined)
    throw wrong(`--key: expected a key as "countersign witness key" makes it; found other text`)
  const [, host, port] = /^\[?([^[\]]+)\]?:(\d{1,5})$/.exec(listen) ?? []
  if (host === undefined || Number(port) > 65_535) throw wrong(`--listen: expected HOST:PORT; found ${listen}`)
  return { cosigner, logs: await Promise.all(log.map(logKey)), directory: state, host, port: Number(port) }
}

async function logKey(keyOrFile: string): Promise<NoteVerifier> {
  const key = parseVerifier(keyOrFile) ?? parseVerifier(await textOf(keyOrFile, '--log'))
  if (key !== undefined) return key
  throw wrong(
    `--log: expected name+id+key as "countersign evidence key" prints it, or a file of it; found ${keyOrFile}`,
  )
}

async function textOf(file: string, option: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw wrong(`${option}: expected a readable file; found ${explainSystem(error)}`)
  }
}

function explainSystem(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

async function run({ cosigner, logs, directory, host, port }: Settings, io: CommandIo): Promise<number> {
  const log = openLog('info', cosigner.verifier.name, io.stderr)
  const failed = Promise.withResolvers<EvidenceError>()
  const witness = await Witness.open({ cosigner, logs, directory, now: Date.now })
  try {
    const server = await openWitnessServer({ witness, host, port, log, onFatal: failed.resolve })
    io.stdout.write(`countersign witness ${cosigner.verifier.name} listens\n  ${server.url}\n`)
    log.info('witness.listening', {
      url: server.url,
      key: verifierText(cosigner.verifier),
      logs: logs.map(verifierText),
    })
    const ended = await Promise.race([nextSignal(), failed.promise])
    await server.close()
    return stopped(ended, log)
  } finally {
    witness.close()
  }
}

function stopped(ended: string | EvidenceError, log: Log): number {
  if (typeof ended === 'string') {
    log.info('witness.stopped', { signal: ended })
    return EXIT.ok
  }
  log.error('witness.write_failed', { message: explain(ended) })
  return EXIT.io
}

async function makeKey(name: string, out: string | undefined, io: CommandIo): Promise<number> {
  if (out === undefined) throw wrong('key needs --out FILE')
  const cosigner = cosignerFromSeed(name, randomBytes(32))
  if (cosigner === undefined) throw wrong('a name has neither white space nor a plus in it')
  await writeKey(out, signerText(cosigner))
  io.stdout.write(`${verifierText(cosigner.verifier)}\n`)
  return EXIT.ok
}

function wrong(why: string): UsageError {
  return wrongUsage(why, USAGE)
}
