import type { CommandIo } from './command.ts'
import { runVerb, type Verb } from './verbs.ts'

const VERBS: readonly Verb[] = [
  {
    name: 'init',
    summary: 'make a repository: starter pack, tests, cases and a CI workflow',
    load: async () => (await import('./policy-init.ts')).initCommand,
  },
  {
    name: 'check',
    summary: 'types, capabilities, METADATA and controls, rules that never fire, conflicts',
    load: async () => (await import('./policy-check.ts')).checkCommand,
  },
  {
    name: 'fmt',
    summary: 'list or rewrite files that are not as the formatter writes them',
    load: async () => (await import('./policy-check.ts')).fmtCommand,
  },
  {
    name: 'lint',
    summary: 'check and fmt in one, for a pre-commit hook',
    load: async () => (await import('./policy-check.ts')).lintCommand,
  },
  {
    name: 'test',
    summary: 'unit tests with coverage, and cases through the compiled module',
    load: async () => (await import('./policy-test.ts')).testCommand,
  },
  {
    name: 'bench',
    summary: 'time a decision takes, by entrypoint',
    load: async () => (await import('./policy-bench.ts')).benchCommand,
  },
  {
    name: 'explain',
    summary: 'which rules fired for a request or a recorded decision, and where the others stopped',
    load: async () => (await import('./policy-explain.ts')).explainCommand,
  },
  {
    name: 'build',
    summary: 'compile a pack to a bundle',
    load: async () => (await import('./policy-bundle.ts')).buildCommand,
  },
  {
    name: 'sign',
    summary: 'sign a bundle',
    load: async () => (await import('./policy-bundle.ts')).signCommand,
  },
  {
    name: 'verify',
    summary: 'check who signed a bundle, and that it opens',
    load: async () => (await import('./policy-bundle.ts')).verifyCommand,
  },
  {
    name: 'inspect',
    summary: 'what is in a bundle: revision, entrypoints, rules and their controls',
    load: async () => (await import('./policy-bundle.ts')).inspectCommand,
  },
  {
    name: 'diff',
    summary: 'how two bundles answer the same requests',
    load: async () => (await import('./policy-replay.ts')).diffCommand,
  },
  {
    name: 'replay',
    summary: 'what a bundle would have answered to recorded decisions',
    load: async () => (await import('./policy-replay.ts')).replayCommand,
  },
  {
    name: 'status',
    summary: 'which policy is in force, which was before it, and what is proposed',
    load: async () => (await import('./policy-status.ts')).statusCommand,
  },
  {
    name: 'propose',
    summary: 'hand a bundle to the gateway, which tests it',
    load: async () => (await import('./policy-steps.ts')).proposeCommand,
  },
  {
    name: 'review',
    summary: "approve or reject another person's proposal",
    load: async () => (await import('./policy-steps.ts')).reviewCommand,
  },
  {
    name: 'activate',
    summary: 'put a bundle in force, at every gateway on this state',
    load: async () => (await import('./policy-steps.ts')).activateCommand,
  },
  {
    name: 'rollback',
    summary: 'put the policy before back in force',
    load: async () => (await import('./policy-steps.ts')).rollbackCommand,
  },
  {
    name: 'shadow',
    summary: 'run a candidate beside the live policy, on live traffic, without obeying it',
    load: async () => (await import('./policy-shadow.ts')).shadowCommand,
  },
]

/** `countersign policy …`; argv is what follows `policy`. Resolves with the exit code. */
export function policyCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  return runVerb('policy', VERBS, argv, io)
}
