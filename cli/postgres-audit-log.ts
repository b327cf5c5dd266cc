import { open } from 'node:fs/promises'
import { auditLog } from '../planes/postgres/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { noteInEvidence } from './evidence-note.ts'
import { evidenceSource, recordsOf, timeOption, type EvidenceSource } from './evidence-source.ts'
import { EXIT, UsageError } from './exit.ts'

const USAGE = `usage: countersign postgres audit-log (<directory> | --config FILE) [--from TIME] [--to TIME] -o FILE

Writes evidence as the log that pgAudit leaves: rows of PostgreSQL 18's csvlog with AUDIT lines in them, for tools that
read those. Statements are as recorded, without literals; parameters that evidence masks or has erased read <not logged>.

  <directory>        evidence, or a copy of it
  --config FILE      the gateway's own evidence; that it was exported is recorded
  --from, --to TIME  a day, or 2026-11-25T09:00Z
  -o, --out FILE     must not be there yet
  --reason TEXT      recorded with the export
`

interface Asked {
  readonly source: EvidenceSource
  readonly from: number | null
  readonly to: number | null
  readonly out: string
  readonly reason: string | null
}

/** `countersign postgres audit-log`. */
export async function auditLogCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const asked = parse(argv)
  if (asked === 'help') {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  const { source, from, to, out, reason } = asked
  const { live } = source
  const period = { from: isoOrNull(from), to: isoOrNull(to) }
  if (live !== null) await noteInEvidence(live, 'evidence.exported', { as: 'pgaudit-csvlog', ...period }, reason)
  const rows = await write(out, auditLog({ records: () => recordsOf(source), from, to }))
  io.stdout.write(`${rows} rows in ${out}${live === null ? '; a copy was read, so nothing was recorded' : ''}\n`)
  return EXIT.ok
}

/** Enough for one write. */
const PIECE = 256 * 1024

async function write(path: string, rows: AsyncIterable<string>): Promise<number> {
  const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
    throw new UsageError(`${path}: can't be made: ${error instanceof Error ? error.message : 'unknown'}`)
  })
  let count = 0
  let piece = ''
  try {
    for await (const row of rows) {
      count += 1
      piece += row
      if (piece.length < PIECE) continue
      await file.writeFile(piece)
      piece = ''
    }
    await file.writeFile(piece)
    await file.sync()
  } finally {
    await file.close()
  }
  return count
}

function isoOrNull(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString()
}

function parse(argv: readonly string[]): 'help' | Asked {
  const { values, positionals } = commandLine(
    USAGE,
    {
      config: { type: 'string' },
      from: { type: 'string' },
      to: { type: 'string' },
      out: { type: 'string', short: 'o' },
      reason: { type: 'string' },
    },
    argv,
  )
  if (values.help) return 'help'
  if (positionals.length > 1) throw wrongUsage(`expected one directory; found ${positionals.length}`, USAGE)
  if (values.out === undefined) throw wrongUsage('-o: expected a file to make; found none', USAGE)
  return {
    source: evidenceSource(positionals, values.config, USAGE),
    from: timeOption('from', values.from, USAGE),
    to: timeOption('to', values.to, USAGE),
    out: values.out,
    reason: values.reason ?? null,
  }
}
