import { loadConfig } from '../engine/config/index.ts'
import { pullEvidence } from '../engine/evidence/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { EXIT, UsageError } from './exit.ts'

const USAGE = `usage: countersign evidence pull --config FILE -o DIRECTORY

Copies evidence out of the database that the configuration names into a directory, in the form that verify, export and
replay read: every line byte for byte, as all of it was at one moment. A directory that was pulled before is brought up to
now; what it has is never changed, and a database that no longer has it is told. Gateways may go on writing.

  -o, --out DIRECTORY  made when it isn't there
`

/** `countersign evidence pull`. */
export async function pullCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const options = { config: { type: 'string' }, out: { type: 'string', short: 'o' } } as const
  const { values, positionals } = commandLine(USAGE, options, argv)
  if (values.help) {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  const { config, out } = values
  if (config === undefined || out === undefined || positionals.length > 0) {
    throw wrongUsage('pull needs --config FILE and -o DIRECTORY, and nothing else', USAGE)
  }
  const { evidence } = loadConfig(config).config
  if (evidence.postgres === null) {
    throw new UsageError(`${config}: evidence is in ${evidence.directory} already; copy that directory`)
  }
  const { writers, records, frames, signed } = await pullEvidence(evidence.postgres, out)
  const under = signed === null ? 'nothing is signed' : `${signed} records are under the checkpoint`
  io.stdout.write(`${out}: ${writers} writers; ${records} records and ${frames} frames are new; ${under}\n`)
  return EXIT.ok
}
