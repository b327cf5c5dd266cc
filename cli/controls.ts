import type { CommandIo } from './command.ts'
import { runVerb, type Verb } from './verbs.ts'

const VERBS: readonly Verb[] = [
  {
    name: 'list',
    summary: 'the controls of the pack',
    load: async () => (await import('./controls-list.ts')).listCommand,
  },
  {
    name: 'show',
    summary: 'all that the pack says of one control',
    load: async () => (await import('./controls-list.ts')).showCommand,
  },
  {
    name: 'coverage',
    summary: 'control by control: its rules, their tests, and what was seen in a period',
    load: async () => (await import('./controls-coverage.ts')).coverageCommand,
  },
]

/** `countersign controls …`; argv is what follows `controls`. Resolves with the exit code. */
export function controlsCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  return runVerb('controls', VERBS, argv, io)
}
