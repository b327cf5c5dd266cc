import { ApiError } from './api-client.ts'
import { API_OPTIONS, API_USAGE } from './api-command.ts'
import { apiClient, type ApiOptions } from './api-options.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import type { Command, CommandIo } from './command.ts'
import { EXIT } from './exit.ts'
import { PolicyClient } from './policy-client.ts'
import { printable, printedJson } from './printable.ts'

/** What every command of a gateway's policy API takes beside its own. */
export const POLICY_USAGE: string = `${API_USAGE}

exit: 0 done, 1 refused, 64 wrong usage, 69 no gateway, 77 not allowed
`

type Extra = Readonly<Record<string, { readonly type: 'string' } | { readonly type: 'boolean' }>>

/** What was said on the command line beside the API's own options. */
export interface Said {
  readonly positionals: readonly string[]
  readonly values: Readonly<Record<string, string | boolean | undefined>>
}

interface Shape<T extends object> {
  readonly usage: string
  readonly extra?: Extra
  /** How many arguments that are no options it takes. */
  readonly positionals: number
  readonly ask: (client: PolicyClient, said: Said) => Promise<T>
  /** For people; `--json` prints the answer as it is. */
  readonly text: (answer: T) => string
}

/** A command that asks the policy API one thing and tells the answer. */
export function policyCommand<T extends object>({
  usage,
  extra = {},
  positionals: takes,
  ask,
  text,
}: Shape<T>): Command {
  return async (argv, io) => {
    const { values, positionals } = commandLine(usage, { ...API_OPTIONS, ...extra }, argv)
    const said: Readonly<Record<string, string | boolean | undefined>> = values
    if (said['help'] === true) {
      io.stdout.write(usage)
      return EXIT.ok
    }
    if (positionals.length !== takes) {
      throw wrongUsage(`expected ${takes === 0 ? 'no argument' : 'one argument'}; found ${positionals.length}`, usage)
    }
    try {
      const client = new PolicyClient(await apiClient(apiOptions(said), io))
      const answer = await ask(client, { positionals, values: said })
      io.stdout.write(said['json'] === true ? printedJson(answer) : text(answer))
      return EXIT.ok
    } catch (error) {
      return told(error, io)
    }
  }
}

function apiOptions(said: Readonly<Record<string, string | boolean | undefined>>): ApiOptions {
  const [api, tokenFile] = [said['api'], said['token-file']]
  return {
    api: typeof api === 'string' ? api : undefined,
    'token-file': typeof tokenFile === 'string' ? tokenFile : undefined,
  }
}

function told(error: unknown, io: CommandIo): number {
  if (!(error instanceof ApiError)) throw error
  io.stderr.write(`countersign: ${printable(error.message)} (${printable(error.code)})\n`)
  return error.exit
}
