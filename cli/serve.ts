import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { loadConfig } from '../engine/config/index.ts'
import { CountersignError, parseDuration } from '../engine/index.ts'
import type { EvidenceError } from '../engine/index.ts'
import type { CommandIo } from './command.ts'
import { EXIT, explain, isParseError, UsageError } from './exit.ts'
import { openGateway } from './gateway.ts'
import type { Gateway } from './gateway.ts'
import { openLog } from './log.ts'
import type { Log } from './log.ts'

const USAGE = `usage: countersign serve --config FILE [--drain DURATION]

Runs the gateway until it gets SIGTERM or SIGINT: it then takes no new connections, waits for the open ones, and ends;
at once on a second signal. On SIGHUP it looks at the configured policy bundle again (that alone), and puts it in force
where it has changed; see "countersign policy --help" for the way over the API. Where it listens goes to standard output, its log (JSON lines) to standard error.

  --config FILE     the gateway's configuration (docs/countersign.schema.json)
  --drain DURATION  how long to wait for open connections (default 10s)
`

/** `countersign serve`. */
export async function serveCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const asked = parse(argv)
  if (asked === 'help') {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  const loaded = loadConfig(asked.config)
  const log = openLog(loaded.config.log.level, loaded.config.instance, io.stderr)
  const failed = Promise.withResolvers<EvidenceError>()
  crashVisibly(log)
  const gateway = await openGateway(loaded, { log, now: Date.now, onFatal: failed.resolve })
  const signals = new Signals()
  process.on('SIGHUP', () => void reload(gateway, log))
  announce(gateway, loaded.config.instance, log, io)
  const ended = await Promise.race([signals.next(), failed.promise])
  return typeof ended === 'string'
    ? stopOnSignal(ended, gateway, asked.drainMs, signals, log)
    : stopOnFailure(ended, gateway, log)
}

function parse(argv: readonly string[]): 'help' | { readonly config: string; readonly drainMs: number } {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        config: { type: 'string' },
        drain: { type: 'string', default: '10s' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) return 'help'
    if (values.config === undefined) throw new UsageError(`--config: expected a file; found nothing\n\n${USAGE}`)
    const drainMs = parseDuration(values.drain)
    if (drainMs !== undefined) return { config: values.config, drainMs }
    throw new UsageError(`--drain: expected a duration such as 10s; found ${values.drain}\n\n${USAGE}`)
  } catch (error) {
    throw isParseError(error) ? new UsageError(`${error.message}\n\n${USAGE}`) : error
  }
}

function announce({ planes, api }: Gateway, instance: string, log: Log, io: CommandIo): void {
  log.info('gateway.listening', { planes, api, pid: process.pid })
  const doors = Object.entries(planes).map(([id, { host, port }]) => `  ${id}  ${host}:${port}\n`)
  io.stdout.write(`countersign ${instance} listens\n${doors.join('')}  api  ${api}\n`)
}

/** What can't come into force leaves what is in force as it is. */
async function reload(gateway: Gateway, log: Log): Promise<void> {
  try {
    await gateway.reloadPolicy()
    log.info('policy.reloaded')
  } catch (error) {
    log.error('policy.not_reloaded', { message: explain(error) })
  }
}

async function stopOnSignal(
  signal: string,
  gateway: Gateway,
  drainMs: number,
  signals: Signals,
  log: Log,
): Promise<number> {
  log.info('gateway.draining', { signal, deadline_ms: drainMs })
  await Promise.race([gateway.drain(drainMs), signals.next()])
  await gateway.close()
  log.info('gateway.stopped')
  return EXIT.ok
}

/**
 * Evidence refuses everything by now. Sessions with an answer in flight hear of it from it, in this turn; closing tells
 * the others, and what can't be closed any more is left behind.
 */
async function stopOnFailure(failure: EvidenceError, gateway: Gateway, log: Log): Promise<number> {
  log.error('log.write_failed', { code: failure.code, message: failure.message })
  await setImmediate()
  await Promise.race([gateway.close().catch(() => undefined), sleep(5000)])
  return EXIT.io
}

/** SIGTERM and SIGINT as they come. */
class Signals {
  #waiting: ((signal: string) => void)[] = []

  constructor() {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        for (const resolve of this.#waiting.splice(0)) resolve(signal)
      })
    }
  }

  next(): Promise<string> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}

/**
 * A fault that nobody caught ends the process, as it must; but an error's message may hold what a client sent, and the
 * log is no place for that: only its kind, its code and where it came from are told.
 */
function crashVisibly(log: Log): void {
  process.on('uncaughtException', (error) => {
    const code = error instanceof CountersignError ? error.code : null
    const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
    log.error('gateway.crashed', { error: error.name, code, at: frames.map((line) => line.trim()) })
    process.exit(EXIT.internal)
  })
}
