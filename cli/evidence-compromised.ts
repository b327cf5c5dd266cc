import { loadConfig } from '../engine/config/index.ts'
import { parseVerifier, verifierText } from '../engine/evidence/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { noteInEvidence } from './evidence-note.ts'
import { EXIT } from './exit.ts'

const USAGE = `usage: countersign evidence compromised --config FILE --key KEY --from SIZE [--reason TEXT]

Records that a key of this log is not to be believed: what it signed of more than SIZE records counts from now on only where
a witness has signed it too, or a later key covers it. Rotate to a new key first (docs/operations.md).

  --config FILE  the gateway's configuration; it may be running
  --key KEY      the public key (name+id+base64)
  --from SIZE    how many records the log had when the key was last safe
  --reason TEXT  is recorded with it
`

const OPTIONS = {
  config: { type: 'string' },
  key: { type: 'string' },
  from: { type: 'string' },
  reason: { type: 'string' },
} as const

/** `countersign evidence compromised`. */
export async function compromisedCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values } = commandLine(USAGE, OPTIONS, argv)
  if (values.help) {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  const { config, reason = null } = values
  if (config === undefined) throw wrongUsage('--config: expected a file; found nothing', USAGE)
  const key = parseVerifier(values.key ?? '')
  if (key === undefined) throw wrongUsage('--key: expected name+id+key as the log’s public key is printed', USAGE)
  const from = /^\d{1,15}$/.test(values.from ?? '') ? Number(values.from) : undefined
  if (from === undefined) throw wrongUsage('--from: expected a number of records', USAGE)
  const loaded = loadConfig(config)
  const { signer } = loaded.config.evidence
  if (signer === null) throw wrongUsage('--config: expected evidence.log with a key; found none', USAGE)
  if (verifierText(signer.verifier) === verifierText(key)) {
    throw wrongUsage('--key: this key signs the log now; rotate to a new one first (docs/operations.md)', USAGE)
  }
  await noteInEvidence(loaded, 'key.compromised', { key: verifierText(key), from }, reason)
  io.stdout.write(`recorded: ${verifierText(key)} is not believed beyond ${from} records\n`)
  return EXIT.ok
}
