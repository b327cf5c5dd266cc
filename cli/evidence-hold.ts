import { loadConfig, type LoadedConfig } from '../engine/config/index.ts'
import {
  holdSet,
  LIFT_NOTICE_MS,
  readHolds,
  unrecorded,
  type EvidenceStore,
  type KnownHold,
} from '../engine/evidence/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { withNotes } from './evidence-note.ts'
import { evidenceStoreOf } from './evidence-store.ts'
import { EXIT, UsageError } from './exit.ts'

const USAGE = `usage: countersign evidence hold --config FILE [--lift NAME --reason TEXT]

Records the legal holds of the configuration that evidence doesn't know yet, and lists all that are in force. A hold is in
force from its record on, until a record lifts it and ${LIFT_NOTICE_MS / 3_600_000} hours have passed: taking it out of the configuration lifts nothing.

  --config FILE  the gateway's configuration
  --lift NAME    lifts a hold that the configuration hasn't got any more
  --reason TEXT  why; recorded with it
`

/** `countersign evidence hold`. */
export async function holdCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const asked = parse(argv)
  if (asked === 'help') {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  const loaded = loadConfig(asked.config)
  const store = evidenceStoreOf(loaded.config)
  try {
    if (asked.lift !== null) await lift(loaded, store, asked.lift, asked.reason)
    else await set(loaded, store)
    const known = await readHolds(store.source)
    const lines = [...known].flatMap(([name, holds]) => holds.map((hold) => line(name, hold)))
    io.stdout.write(lines.join('') || 'no holds\n')
    return EXIT.ok
  } finally {
    await store.close()
  }
}

async function set(loaded: LoadedConfig, { source }: EvidenceStore): Promise<void> {
  const fresh = unrecorded(loaded.config.keeping.holds, await readHolds(source))
  if (fresh.length === 0) return
  await withNotes(loaded, async (note) => {
    for (const hold of fresh) await note(holdSet(hold))
  })
}

async function lift(loaded: LoadedConfig, { source }: EvidenceStore, name: string, reason: string): Promise<void> {
  if (loaded.config.keeping.holds.some((hold) => hold.name === name))
    throw new UsageError(`--lift: expected a hold that the configuration hasn't got any more; ${name} stands there`)
  const known = (await readHolds(source)).get(name) ?? []
  if (!known.some(({ lifted }) => lifted === null)) throw new UsageError(`--lift: no hold ${name} is in force`)
  await withNotes(loaded, (note) => note({ event: 'legal_hold.lifted', detail: { name, reason } }))
}

function line(name: string, { hold, lifted }: KnownHold): string {
  const { resource, session, agent, from, to, reason } = hold
  const what = Object.entries({ resource, session, agent, from: iso(from), to: iso(to) })
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${key} ${value}`)
  const state = lifted === null ? 'in force' : `lifted, holds until ${iso(lifted + LIFT_NOTICE_MS)}`
  return `${name}: ${what.join(', ')} (${reason}): ${state}\n`
}

function iso(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString()
}

interface Asked {
  readonly config: string
  readonly lift: string | null
  readonly reason: string
}

function parse(argv: readonly string[]): 'help' | Asked {
  const options = { config: { type: 'string' }, lift: { type: 'string' }, reason: { type: 'string' } } as const
  const { values, positionals } = commandLine(USAGE, options, argv)
  if (values.help) return 'help'
  const { config, lift: name, reason } = values
  if (config === undefined || positionals.length > 0) throw wrongUsage('expected --config FILE', USAGE)
  if (name !== undefined && reason === undefined) throw wrongUsage('--lift: expected a --reason with it', USAGE)
  return { config, lift: name ?? null, reason: reason ?? '' }
}
