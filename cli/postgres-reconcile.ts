import { CountersignError, parseDuration, type JsonObject } from '../engine/index.ts'
import { reconcile, ReconcileError, type ReconcileOptions, type Reconciliation } from '../planes/postgres/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { noteInEvidence } from './evidence-note.ts'
import { evidenceSource, recordsOf, timeOption, type EvidenceSource } from './evidence-source.ts'
import { EXIT, explain } from './exit.ts'
import { renderReconciliation } from './reconciliation-text.ts'

const USAGE = `usage: countersign postgres reconcile (<directory>… | --config FILE) --server-log FILE… [options]

Holds the server's own log (csvlog or jsonlog, rotated files in any order, .gz too) against evidence, and names the
statements that did not come through the gateway, and those recorded as done that the server never logged.

  <directory>…           evidence, or copies of it: of every gateway that has sessions at this server
  --config FILE          the gateway's own evidence; what was found is recorded there
  --server-log FILE      once for each file; further files may follow it without the option's name
  --from, --to TIME      the period: a day, or 2026-11-25T09:00Z (default: what evidence covers)
  --clock-skew DURATION  how far the two hosts' clocks may be apart (default 5s)
  --server HOST:PORT     whose log this is, where evidence tells of several servers
  --translated           something between gateway and server translates addresses: don't compare them
  --json                 the report as JSON

exit: 0 all matched, 1 unmatched found, 2 not all could be judged, 3 nothing could, 64 wrong usage
`

const STATUS: Readonly<Record<Reconciliation['status'], number>> = { matched: 0, unmatched: 1, incomplete: 2 }
const CANNOT = 3

/** `countersign postgres reconcile`. */
export async function reconcileCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const asked = parse(argv)
  if (asked === 'help') {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  try {
    const report = await reconcile(asked.options)
    if (asked.source.live !== null) await noteInEvidence(asked.source.live, 'boundary.verified', summaryOf(report))
    io.stdout.write(asked.json ? `${JSON.stringify(report, null, 2)}\n` : renderReconciliation(report))
    return STATUS[report.status]
  } catch (error) {
    if (!(error instanceof ReconcileError) && !(error instanceof CountersignError)) throw error
    const why = error instanceof ReconcileError ? error.message : explain(error)
    io.stderr.write(`countersign postgres reconcile: ${why}\n`)
    return CANNOT
  }
}

/** What was found stands in evidence too, matched or not. */
function summaryOf(report: Reconciliation): JsonObject {
  const { status, period, matched, aroundCount: around, unloggedCount: unlogged, unjudged } = report
  return {
    plane: 'postgres',
    status,
    period,
    matched,
    around,
    unlogged,
    unjudged: unjudged.map(({ reason }) => reason),
  }
}

interface Asked {
  readonly options: ReconcileOptions
  readonly source: EvidenceSource
  readonly json: boolean
}

function parse(argv: readonly string[]): 'help' | Asked {
  const { values, positionals } = commandLine(
    USAGE,
    {
      config: { type: 'string' },
      'server-log': { type: 'string', multiple: true },
      from: { type: 'string' },
      to: { type: 'string' },
      'clock-skew': { type: 'string', default: '5s' },
      server: { type: 'string' },
      translated: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
    argv,
  )
  if (values.help) return 'help'
  const { logs, directories } = apart(argv, values['server-log'] ?? [], positionals)
  if (logs.length === 0) throw wrongUsage('--server-log: expected a file; found none', USAGE)
  const skewMs = parseDuration(values['clock-skew'])
  if (skewMs === undefined)
    throw wrongUsage(`--clock-skew: expected 5s or the like; found ${values['clock-skew']}`, USAGE)
  const source = evidenceSource(directories, values.config, USAGE)
  const options: ReconcileOptions = {
    records: () => recordsOf(source),
    logs,
    from: timeOption('from', values.from, USAGE),
    to: timeOption('to', values.to, USAGE),
    server: values.server ?? null,
    skewMs,
    translated: values.translated,
  }
  return { options, source, json: values.json }
}

/** `--server-log a.csv b.csv`, as a shell makes it of `--server-log *.csv`: what follows belongs to it. */
function apart(
  argv: readonly string[],
  named: readonly string[],
  positionals: readonly string[],
): { readonly logs: readonly string[]; readonly directories: readonly string[] } {
  const first = argv.findIndex((word) => word === '--server-log' || word.startsWith('--server-log='))
  const before = first < 0 ? argv : argv.slice(0, first)
  const directories = positionals.filter((word) => before.includes(word))
  return { logs: [...named, ...positionals.filter((word) => !before.includes(word))], directories }
}
