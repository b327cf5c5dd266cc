import { randomBytes } from 'node:crypto'
import { signerFromSeed, signerText, verifierText } from '../engine/evidence/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { EXIT } from './exit.ts'
import { writeKey } from './key-file.ts'

const USAGE = `usage: countersign evidence key <name> --out FILE

Makes a key for a log of this name (bank.example/gw-1): the private half into a new FILE, the public half to standard
output, for auditors.

  --out FILE  must not be there yet
`

/** `countersign evidence key`. */
export async function keyCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const asked = parse(argv)
  if (asked === 'help') {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  const signer = signerFromSeed(asked.name, randomBytes(32))
  if (signer === undefined) throw wrongUsage('a name has neither white space nor a plus in it', USAGE)
  await writeKey(asked.out, signerText(signer))
  io.stdout.write(`${verifierText(signer.verifier)}\n`)
  return EXIT.ok
}

function parse(argv: readonly string[]): 'help' | { readonly name: string; readonly out: string } {
  const { values, positionals } = commandLine(USAGE, { out: { type: 'string' } }, argv)
  if (values.help) return 'help'
  const [name, ...rest] = positionals
  if (name === undefined || rest.length > 0) throw wrongUsage('key takes one name', USAGE)
  if (values.out === undefined) throw wrongUsage('key needs --out FILE', USAGE)
  return { name, out: values.out }
}
