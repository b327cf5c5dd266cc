import type { CommandIo } from './command.ts'
import { runVerb, type Verb } from './verbs.ts'

const VERBS: readonly Verb[] = [
  {
    name: 'grants',
    summary: "the least-privileged role that policy's allowed statements need, as SQL",
    load: async () => (await import('./postgres-grants.ts')).grantsCommand,
  },
  {
    name: 'reconcile',
    summary: "name the statements in the server's own log that did not come through the gateway",
    load: async () => (await import('./postgres-reconcile.ts')).reconcileCommand,
  },
  {
    name: 'audit-log',
    summary: 'write evidence as the log that pgAudit leaves, for tools that read those',
    load: async () => (await import('./postgres-audit-log.ts')).auditLogCommand,
  },
]

/** `countersign postgres …`; argv is what follows `postgres`. Resolves to the exit code. */
export function postgresCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  return runVerb('postgres', VERBS, argv, io)
}
