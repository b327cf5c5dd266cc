import { parseArgs, type ParseArgsConfig } from 'node:util'
import { isParseError, UsageError } from './exit.ts'

type Options = NonNullable<ParseArgsConfig['options']>

const HELP = { help: { type: 'boolean', short: 'h', default: false } } as const

type Parsed<Known extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: Known & typeof HELP; allowPositionals: true }>
>

/** One command's options and `--help`, parsed strictly. Throws UsageError with the usage behind what is wrong. */
export function commandLine<const Known extends Options>(
  usage: string,
  options: Known,
  argv: readonly string[],
): Parsed<Known> {
  try {
    return parseArgs<{ args: string[]; options: Known & typeof HELP; allowPositionals: true }>({
      args: [...argv],
      options: { ...options, ...HELP },
      allowPositionals: true,
    })
  } catch (error) {
    throw isParseError(error) ? wrongUsage(error.message, usage) : error
  }
}

export function wrongUsage(why: string, usage: string): UsageError {
  return new UsageError(`${why}\n\n${usage}`)
}
