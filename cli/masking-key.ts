import { randomBytes } from 'node:crypto'
import { MASKING_KEY_BYTES } from '../engine/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { EXIT } from './exit.ts'
import { writeKey } from './key-file.ts'

const USAGE = `usage: countersign masking-key --out FILE

Makes a key for the mask methods hash and pseudonym, for masking.key. Whoever has it can undo what they hide.
Under another key the same values look different; give it another key_id.

  --out FILE  must not be there yet
`

/** `countersign masking-key`. */
export async function maskingKeyCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = commandLine(USAGE, { out: { type: 'string' } }, argv)
  if (values.help) {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  if (positionals.length > 0 || values.out === undefined) throw wrongUsage('masking-key needs --out FILE alone', USAGE)
  await writeKey(values.out, randomBytes(MASKING_KEY_BYTES).toString('hex'))
  io.stdout.write(`${values.out}\n`)
  return EXIT.ok
}
