import { userInfo } from 'node:os'
import { rebuild } from '../engine/approvals/index.ts'
import { loadConfig } from '../engine/config/index.ts'
import { closeWriters } from '../engine/evidence/index.ts'
import { openDatabase } from '../engine/state/index.ts'
import { approvalHistory } from './approval-history.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { evidenceStoreOf } from './evidence-store.ts'
import { EXIT } from './exit.ts'

const USAGE = `usage: countersign evidence close-writer INSTANCE --config FILE

Closes the writers that a gateway left when it died, in its stead: for one that will not be started again. What it left in
doubt is recorded and listed, and holds that it was changing are anybody's again. Where several gateways share a database,
the one that signs does this by itself five minutes after a gateway died. Refuses while INSTANCE runs.
`

/** `countersign evidence close-writer`. */
export async function closeWriterCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = commandLine(USAGE, { config: { type: 'string' } }, argv)
  if (values.help) {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  const [instance, ...rest] = positionals
  if (values.config === undefined || instance === undefined || rest.length > 0) {
    throw wrongUsage('close-writer needs --config FILE and one INSTANCE', USAGE)
  }
  const { config } = loadConfig(values.config)
  const store = evidenceStoreOf(config)
  try {
    const clock = { now: Date.now, monotonic: () => process.hrtime.bigint() }
    const { last, inDoubt } = await closeWriters(store, instance, { ...clock, by: `user ${userInfo().username}` })
    if ('postgres' in config.state) {
      await using database = disposable(await openDatabase(config.state.postgres))
      const isOver = (writer: string): boolean => writer.startsWith(`${instance}.`) && writer <= last
      await rebuild(database.value, approvalHistory(store, null), isOver)
    }
    io.stdout.write(`${instance}: closed, as ${last}; ${inDoubt.length} in doubt\n`)
    for (const { decision, record } of inDoubt) io.stdout.write(`  ${decision}  ${record}\n`)
    return EXIT.ok
  } finally {
    await store.close()
  }
}

function disposable<T extends { destroy(): Promise<void> }>(value: T): AsyncDisposable & { readonly value: T } {
  return { value, [Symbol.asyncDispose]: () => value.destroy() }
}
