import { parseArgs } from 'node:util'
import { atLine, loadConfig } from '../engine/config/index.ts'
import { ConfigError } from '../engine/index.ts'
import { bootstrapFor, type BootstrapChoice, http } from '../planes/http/index.ts'
import type { CommandIo } from './command.ts'
import { EXIT, isParseError, UsageError } from './exit.ts'

const USAGE = `usage: countersign envoy bootstrap --config FILE [options] > envoy.json

Writes what an Envoy starts with: where it asks for the rest of its configuration, and how it proves itself there. Then:

    envoy -c envoy.json --disable-hot-restart --drain-time-s 2 --drain-strategy immediate

  --config FILE        the gateway's configuration, with planes.http.envoy
  --node NAME          how this Envoy names itself in the gateway's log (default envoy-1)
  --admin HOST:PORT    Envoy's own admin address (default 127.0.0.1:9901); whoever reaches it can change Envoy
  --control HOST:PORT  where Envoy reaches the gateway, if not where planes.http.envoy.control listens
  --cert, --key, --ca FILE  where control has tls: paths on Envoy's machine
`

/** `countersign envoy bootstrap`. */
export function envoyBootstrapCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const asked = parse(argv)
  if (asked === 'help') {
    io.stdout.write(USAGE)
    return Promise.resolve(EXIT.ok)
  }
  const loaded = loadConfig(asked.config)
  try {
    const written = bootstrapFor(http.configure(loaded.config.planes['http']), asked.choice)
    io.stdout.write(`${JSON.stringify(written, null, 2)}\n`)
    return Promise.resolve(EXIT.ok)
  } catch (error) {
    throw error instanceof ConfigError ? atLine(error, loaded, 'planes.http') : error
  }
}

function parse(argv: readonly string[]): 'help' | { readonly config: string; readonly choice: BootstrapChoice } {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        config: { type: 'string' },
        node: { type: 'string', default: 'envoy-1' },
        admin: { type: 'string', default: '127.0.0.1:9901' },
        control: { type: 'string' },
        cert: { type: 'string' },
        key: { type: 'string' },
        ca: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) return 'help'
    const { config, node, cert, key, ca } = values
    if (config === undefined) throw new UsageError(`--config: expected a file; found nothing\n\n${USAGE}`)
    const admin = hostAndPort('--admin', values.admin)
    const control = values.control === undefined ? null : hostAndPort('--control', values.control)
    return { config, choice: { node, admin, control, files: filesOf(cert, key, ca) } }
  } catch (error) {
    throw isParseError(error) ? new UsageError(`${error.message}\n\n${USAGE}`) : error
  }
}

function filesOf(cert: string | undefined, key: string | undefined, ca: string | undefined): BootstrapChoice['files'] {
  if (cert === undefined && key === undefined && ca === undefined) return null
  if (cert === undefined || key === undefined || ca === undefined)
    throw new UsageError(`--cert, --key, --ca: expected all three, or none\n\n${USAGE}`)
  return { cert, key, ca }
}

function hostAndPort(option: string, written: string): { readonly host: string; readonly port: number } {
  const [, host = '', port = ''] =
    /^(?:\[([0-9a-f:]+)\]|([^:]+)):(\d{1,5})$/i.exec(written)?.filter((each) => each !== undefined) ?? []
  if (host === '' || Number(port) > 65_535)
    throw new UsageError(`${option}: expected HOST:PORT; found ${written}\n\n${USAGE}`)
  return { host, port: Number(port) }
}
