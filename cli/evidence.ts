import type { CommandIo } from './command.ts'
import { runVerb, type Verb } from './verbs.ts'

const VERBS: readonly Verb[] = [
  {
    name: 'verify',
    summary: 'derive a directory of evidence again, offline, and say what is found',
    load: async () => (await import('./evidence-verify.ts')).verifyCommand,
  },
  {
    name: 'pull',
    summary: 'copy evidence out of a database into a directory, byte for byte',
    load: async () => (await import('./evidence-pull.ts')).pullCommand,
  },
  {
    name: 'close-writer',
    summary: 'close what a gateway left that will not be started again',
    load: async () => (await import('./evidence-close-writer.ts')).closeWriterCommand,
  },
  {
    name: 'export',
    summary: 'write a bundle for auditors: records with proofs, recordings, OSCAL, OCSF, reports',
    load: async () => (await import('./evidence-export.ts')).exportCommand,
  },
  {
    name: 'tail',
    summary: 'print the log for a SIEM as it grows, in the log’s order or as OCSF',
    load: async () => (await import('./evidence-tail.ts')).tailCommand,
  },
  {
    name: 'key',
    summary: "make a key for a directory's log",
    load: async () => (await import('./evidence-key.ts')).keyCommand,
  },
  {
    name: 'compromised',
    summary: 'record that a key of the log is not to be believed from some size on',
    load: async () => (await import('./evidence-compromised.ts')).compromisedCommand,
  },
  {
    name: 'retain',
    summary: 'erase the payloads that retention lets go of',
    load: async () => (await import('./evidence-retain.ts')).retainCommand,
  },
  {
    name: 'hold',
    summary: 'record, list and lift legal holds',
    load: async () => (await import('./evidence-hold.ts')).holdCommand,
  },
]

/** `countersign evidence …`; argv is what follows `evidence`. Resolves to the exit code. */
export function evidenceCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  return runVerb('evidence', VERBS, argv, io)
}
