import type { CommandIo } from './command.ts'
import { runVerb, type Verb } from './verbs.ts'

const VERBS: readonly Verb[] = [
  {
    name: 'bootstrap',
    summary: 'write what an Envoy before this gateway starts with',
    load: async () => (await import('./envoy-bootstrap.ts')).envoyBootstrapCommand,
  },
]

/** `countersign envoy …`; argv is what follows `envoy`. Resolves to the exit code. */
export function envoyCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  return runVerb('envoy', VERBS, argv, io)
}
