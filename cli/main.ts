#!/usr/bin/env node
import { nearest } from '../engine/index.ts'
import type { CommandIo } from './command.ts'
import { EXIT, exitCodeOf, explain } from './exit.ts'
import { usage } from './usage.ts'
import type { Verb } from './verbs.ts'
import { version } from './version.ts'

const COMMANDS: readonly Verb[] = [
  {
    name: 'serve',
    summary: 'run the gateway',
    load: async () => (await import('./serve.ts')).serveCommand,
  },
  {
    name: 'check',
    summary: 'try a configuration and all that it points to, without serving',
    load: async () => (await import('./check.ts')).checkCommand,
  },
  {
    name: 'policy',
    summary: 'write, test, build, try, review and activate policies',
    load: async () => (await import('./policy.ts')).policyCommand,
  },
  {
    name: 'doctor',
    summary: 'whether agents can get around the gateway, and what to set so that they can not',
    load: async () => (await import('./doctor.ts')).doctorCommand,
  },
  {
    name: 'approvals',
    summary: 'list what waits for an answer, and answer it',
    load: async () => (await import('./approvals.ts')).approvalsCommand,
  },
  {
    name: 'login',
    summary: 'sign in at the identity provider, for commands that ask a gateway',
    load: async () => (await import('./login.ts')).loginCommand,
  },
  {
    name: 'token',
    summary: 'a token for an agent: from the identity provider, or exchanged at a gateway',
    load: async () => (await import('./token.ts')).tokenCommand,
  },
  {
    name: 'agents',
    summary: 'review agents; take one out of service, and back',
    load: async () => (await import('./agents.ts')).agentsCommand,
  },
  {
    name: 'revoke',
    summary: 'make tokens worthless at every gateway',
    load: async () => (await import('./revoke.ts')).revokeCommand,
  },
  {
    name: 'request',
    summary: 'ask for access ahead, for a time',
    load: async () => (await import('./request.ts')).requestCommand,
  },
  {
    name: 'grants',
    summary: 'access for a time: what is in force; revoke it, review a broken glass',
    load: async () => (await import('./grants.ts')).grantsCommand,
  },
  {
    name: 'sessions',
    summary: 'what agents have connected, and what came of what they asked',
    load: async () => (await import('./sessions.ts')).sessionsCommand,
  },
  {
    name: 'postgres',
    summary: "hold the server's own log against evidence; evidence as a log of pgAudit's",
    load: async () => (await import('./postgres.ts')).postgresCommand,
  },
  {
    name: 'envoy',
    summary: 'what an Envoy before the gateway starts with',
    load: async () => (await import('./envoy.ts')).envoyCommand,
  },
  {
    name: 'masking-key',
    summary: 'make a key for the mask methods hash and pseudonym',
    load: async () => (await import('./masking-key.ts')).maskingKeyCommand,
  },
  {
    name: 'aws-credentials',
    summary: "credentials for the gateway's queues, as AWS SDKs ask a process for them",
    load: async () => (await import('./aws-credentials.ts')).awsCredentialsCommand,
  },
  {
    name: 'evidence',
    summary: 'verify, export, follow and keep evidence',
    load: async () => (await import('./evidence.ts')).evidenceCommand,
  },
  {
    name: 'witness',
    summary: 'run a witness: a process apart that cosigns what logs have signed',
    load: async () => (await import('./witness.ts')).witnessCommand,
  },
  {
    name: 'controls',
    summary: 'the control pack, and what stands behind each control',
    load: async () => (await import('./controls.ts')).controlsCommand,
  },
  {
    name: 'report',
    summary: 'what the evidence shows, control by control, as HTML, PDF or CSV',
    load: async () => (await import('./report.ts')).reportCommand,
  },
  {
    name: 'replay',
    summary: 'play a recorded session: on a terminal, as a page, as an asciicast',
    load: async () => (await import('./replay.ts')).replayCommand,
  },
  {
    name: 'completion',
    summary: 'have bash, zsh or fish complete commands and options',
    load: async () => (await import('./completion.ts')).completionOf(COMMANDS),
  },
]

/** Runs one command line; resolves with the exit code and throws nothing. */
export async function main(argv: readonly string[], io: CommandIo): Promise<number> {
  const [name, ...rest] = argv
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const to = name === undefined ? io.stderr : io.stdout
    to.write(usage(COMMANDS))
    return name === undefined ? EXIT.usage : EXIT.ok
  }
  if (name === '--version') {
    io.stdout.write(`${await version()}\n`)
    return EXIT.ok
  }
  const entry = COMMANDS.find((command) => command.name === name)
  if (entry === undefined) return unknown(name, io)
  try {
    const command = await entry.load()
    return await command(rest, io)
  } catch (error) {
    io.stderr.write(`countersign ${name}: ${explain(error)}\n`)
    return exitCodeOf(error)
  }
}

function unknown(name: string, io: CommandIo): number {
  const meant = nearest(
    name,
    COMMANDS.map((command) => command.name),
  )
  const suggestion = meant === undefined ? '`countersign --help` lists them' : `did you mean ${meant}?`
  io.stderr.write(`countersign: there is no command ${JSON.stringify(name)}; ${suggestion}\n`)
  return EXIT.usage
}

if (import.meta.main) {
  const { stdout, stderr, env } = process
  stdout.on('error', () => process.exit(EXIT.ok)) // `| head` has seen enough
  process.exit(await main(process.argv.slice(2), { stdout, stderr, env }))
}
