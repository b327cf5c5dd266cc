import { Writable } from 'node:stream'
import { matchesGlob } from 'node:path'
import { loadConfig } from '../engine/config/index.ts'
import {
  canonicalJson,
  EVERYTHING,
  followRecords,
  indexedLine,
  OcsfMapper,
  readRecords,
  Selection,
  type FollowedRecord,
  type Query,
  type StoredRecord,
} from '../engine/evidence/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { Cursor } from './evidence-cursor.ts'
import { noteInEvidence } from './evidence-note.ts'
import { EXIT } from './exit.ts'
import { timeOption } from './period.ts'

const USAGE = `usage: countersign evidence tail [<directory>] [--config FILE] [--follow] [--cursor FILE] [--from-index N | --since TIME]
         [--event GLOB]… [--verdict VERDICT] [--agent ID] [--control ID] [--session ID] [--format ndjson|ocsf]
       countersign evidence tail <directory> --unsequenced [filters]

Prints the log for a SIEM, a record a line, in the log's order and across restarts of the gateway: only records under a signed
checkpoint, about a second old, which never come back under another index.

  <directory>      evidence, or a copy; nothing is written to it
  --config FILE    the gateway's configuration: its live evidence, where no directory is given; records in it that you did
  -f, --follow     goes on as the log grows, until it is stopped
  --cursor FILE    where it stood: read at the start, written when a batch was taken; a crash between repeats that batch
  --from-index N   from this leaf on (else from the cursor, else from the first)
  --since TIME     records of this time and later: 2026-11-25, or 2026-11-25T08:00:00Z
  --event GLOB     events of these names: decision.*, or approval.granted
  --verdict V      forward, mask, hold or reject
  --agent ID       records of this principal, with its sessions, decisions and their outcomes
  --control ID     records that carry this control, and what follows of the same decisions
  --session ID     records of this session
  --format FORMAT  ndjson: the line as it is recorded, behind its index (default); ocsf: OCSF 1.8.0 events
  --unsequenced    all that is in the files just now, writer by writer, signed or not, durable or not; once

Filters are joined by "and", several --event by "or". An erased payload is "salted":null.
exit: 0 done, 64 wrong usage, 74 the evidence can't be read so
`

const OPTIONS = {
  config: { type: 'string' },
  follow: { type: 'boolean', short: 'f', default: false },
  cursor: { type: 'string' },
  'from-index': { type: 'string' },
  since: { type: 'string' },
  event: { type: 'string', multiple: true },
  verdict: { type: 'string' },
  agent: { type: 'string' },
  control: { type: 'string' },
  session: { type: 'string' },
  format: { type: 'string', default: 'ndjson' },
  unsequenced: { type: 'boolean', default: false },
} as const

type Io = CommandIo & { readonly signal?: AbortSignal }

/** `countersign evidence tail`. */
export async function tailCommand(argv: readonly string[], io: Io): Promise<number> {
  const asked = parse(argv)
  if (asked === 'help') {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  const loaded = asked.config === undefined ? null : loadConfig(asked.config)
  const directory = asked.directory ?? loaded?.config.evidence.directory ?? ''
  const { query, events, verdict, format, follow } = asked
  if (loaded !== null) {
    await noteInEvidence(loaded, 'evidence.exported', { tail: { ...query, events, verdict, format, follow } })
  }
  await (asked.unsequenced ? dump(directory, asked, io) : tail(directory, asked, io))
  return EXIT.ok
}

interface Asked {
  readonly directory: string | undefined
  readonly config: string | undefined
  readonly follow: boolean
  readonly cursor: string | undefined
  readonly from: number | null
  readonly query: Query
  readonly events: readonly string[]
  readonly verdict: string | null
  readonly format: 'ndjson' | 'ocsf'
  readonly unsequenced: boolean
}

function parse(argv: readonly string[]): 'help' | Asked {
  const { values, positionals } = commandLine(USAGE, OPTIONS, argv)
  if (values.help) return 'help'
  const { config, follow, cursor, event = [], verdict, agent, control, session, unsequenced } = values
  const format = formatOf(values.format)
  const [directory, ...rest] = positionals
  if ((directory === undefined && config === undefined) || rest.length > 0)
    throw wrongUsage('tail takes one directory, or --config FILE', USAGE)
  const from = leafIndex(values['from-index'])
  const since = timeOption('--since', values.since, USAGE)
  if (from !== null && since !== null) throw wrongUsage('expected --from-index or --since, not both', USAGE)
  if (unsequenced && (follow || cursor !== undefined || from !== null))
    throw wrongUsage('--unsequenced has no indexes: neither --follow, --cursor nor --from-index go with it', USAGE)
  const filters = { agent: agent ?? null, control: control ?? null, session: session ?? null }
  const query = { ...EVERYTHING, ...filters, from: since }
  const about = { config, follow, cursor, from, query, events: event, verdict: verdict ?? null, format, unsequenced }
  return { directory, ...about }
}

function formatOf(text: string): Asked['format'] {
  if (text === 'ndjson' || text === 'ocsf') return text
  throw wrongUsage(`--format: expected ndjson or ocsf; found ${JSON.stringify(text)}`, USAGE)
}

function leafIndex(text: string | undefined): number | null {
  if (text === undefined) return null
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw wrongUsage(`--from-index: expected a leaf's number; found ${JSON.stringify(text)}`, USAGE)
}

async function tail(directory: string, asked: Asked, io: Io): Promise<void> {
  const cursor = await Cursor.open(asked.cursor)
  const start = asked.from ?? cursor.next
  const printer = new Printer(asked)
  // What belongs to what (an outcome to its agent) is only known to who has seen what came before.
  const from = printer.remembers ? 0 : cursor.readFrom(start)
  const { follow } = asked
  const options = { from, follow, ...(io.signal === undefined ? {} : { signal: io.signal }) }
  for await (const { records, checkpoint } of followRecords(directory, options)) {
    for (const record of records) cursor.compare(directory, record)
    const lines = records.map((record) => printer.line(record, record.index >= start))
    await written(io.stdout, lines.join(''))
    await cursor.advance(records, checkpoint.origin, start)
  }
}

async function dump(directory: string, asked: Asked, io: Io): Promise<void> {
  const printer = new Printer(asked)
  for await (const stored of readRecords(directory)) await written(io.stdout, printer.line(stored, true))
}

/** Which records are shown, and how. Sees all of them, in their order. */
class Printer {
  readonly #asked: Asked
  readonly #selection: Selection
  readonly #mapper = new OcsfMapper()

  constructor(asked: Asked) {
    this.#asked = asked
    this.#selection = new Selection(asked.query)
  }

  /** Whether what a record looks like, or whether it is shown, depends on those before it. */
  get remembers(): boolean {
    const { query, format } = this.#asked
    return format === 'ocsf' || query.agent !== null || query.control !== null || query.session !== null
  }

  /** A line with its newline; empty for a record that isn't shown. */
  line(stored: FollowedRecord | StoredRecord, due: boolean): string {
    const { record, leaf, text, index } = stored
    const taken = this.#selection.takes(record)
    const isOcsf = this.#asked.format === 'ocsf'
    const event = isOcsf ? this.#mapper.event({ record, leaf, index }) : null
    if (!due || !taken || !this.#matches(stored)) return ''
    if (event !== null) return `${canonicalJson(event)}\n`
    return index === null ? `${text}\n` : indexedLine(index, text)
  }

  #matches({ record }: FollowedRecord | StoredRecord): boolean {
    const { events, verdict, query } = this.#asked
    if (query.from !== null && record.ts < query.from) return false
    if (verdict !== null && record.fields.verdict !== verdict) return false
    return events.length === 0 || events.some((glob) => matchesGlob(record.event, glob))
  }
}

/** Resolves when whoever reads has taken it: a reader that is slow slows the log's reading, and nothing piles up. */
async function written(out: CommandIo['stdout'], text: string): Promise<void> {
  if (text === '') return
  if (!(out instanceof Writable)) {
    out.write(text)
    return
  }
  await new Promise<void>((resolve, reject) => {
    out.write(text, (error) => (error === null || error === undefined ? resolve() : reject(error)))
  })
}
