import type { CommandIo } from './command.ts'
import { runVerb, type Verb } from './verbs.ts'

const VERBS: readonly Verb[] = [
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
