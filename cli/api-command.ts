import { parseArgs, type ParseArgsConfig } from 'node:util'
import { tellRefusal } from './api-options.ts'
import type { CommandIo } from './command.ts'
import { EXIT, UsageError } from './exit.ts'

/** What every command of a gateway's API takes beside its own options, and how its usage says so. */
export const API_OPTIONS = {
  api: { type: 'string' },
  'token-file': { type: 'string' },
  json: { type: 'boolean', default: false },
} as const
export const API_USAGE = `  --api URL          the gateway's API (COUNTERSIGN_API; default http://127.0.0.1:7420)
  --token-file FILE  where your token is (else COUNTERSIGN_TOKEN, else what countersign login got)
  --json             what the API answered, as JSON`

const HELP = { help: { type: 'boolean', short: 'h', default: false } } as const

type Options = NonNullable<ParseArgsConfig['options']>

/** A command line of such a command, parsed. */
export type Said<Known extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: Known & typeof API_OPTIONS & typeof HELP; allowPositionals: true }>
>

/** A command whose answer is text: `run` makes it; what goes wrong is told, with the usage where the command line is to blame. */
export function apiCommand<const Known extends Options, Io extends CommandIo = CommandIo>(
  usage: string,
  options: Known,
  run: (said: Said<Known>, io: Io) => Promise<string>,
): (argv: readonly string[], io: Io) => Promise<number> {
  return async (argv, io) => {
    try {
      const said = parseArgs<{
        args: string[]
        options: Known & typeof API_OPTIONS & typeof HELP
        allowPositionals: true
      }>({ args: [...argv], options: { ...options, ...API_OPTIONS, ...HELP }, allowPositionals: true })
      const asked: { readonly help?: unknown } = said.values
      io.stdout.write(asked.help === true ? usage : await run(said, io))
      return EXIT.ok
    } catch (error) {
      return tellRefusal(error, usage, io)
    }
  }
}

/** The one thing that a verb is about. `list`: the command that shows them. */
export function onlyOne(verb: string, what: string, list: string, [id, ...more]: readonly string[]): string {
  if (id !== undefined && more.length === 0) return id
  throw new UsageError(`${verb} takes one ${what}: \`${list}\` shows them`)
}

/** For a verb that is about everything. */
export function none(verb: string, what: string, ids: readonly string[]): void {
  if (ids.length > 0) throw new UsageError(`${verb} takes no ${what}; show does`)
}
