import { setImmediate } from 'node:timers/promises'
import { readRecords } from '../engine/evidence/index.ts'
import {
  Candidate,
  itemOf,
  rehearse,
  aboutOf,
  type Group,
  type Item,
  type Rehearsal,
  type Skipped,
} from '../engine/rehearsal/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { EXIT } from './exit.ts'
import { timeOption } from './period.ts'
import { readCases, timeOf } from './policy-cases.ts'
import { json } from './policy-compiler.ts'
import { plural, printable } from './printable.ts'

const REPLAY_USAGE = `usage: countersign policy replay BUNDLE --evidence DIR [--since T] [--until T] [--json]

What a bundle would have answered to the decisions that were recorded, held against what was answered: verdicts, masks,
rules, controls. The bundle runs on a thread of its own and decides nothing.

  --evidence DIR    a directory of evidence, or a copy; nothing is written
  --since, --until  decisions from a time on, and before one: 2026-11-25 or 2026-11-25T18:00:00Z

exit: 0 the same answers, 1 others
`

const DIFF_USAGE = `usage: countersign policy diff A B (--evidence DIR [--since T] [--until T] | --cases DIR) [--json]

How two bundles answer the same requests: what B rejects, holds, masks or lets through that A did not, and which controls
are lost.

exit: 0 the same answers, 1 others
`

const OPTIONS = {
  evidence: { type: 'string' },
  since: { type: 'string' },
  until: { type: 'string' },
  cases: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const

/** `countersign policy replay`. */
export async function replayCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = commandLine(REPLAY_USAGE, OPTIONS, argv)
  if (values.help) return help(io, REPLAY_USAGE)
  const [bundle, ...rest] = positionals
  const { evidence, cases } = values
  if (bundle === undefined || rest.length > 0 || evidence === undefined || cases !== undefined) {
    throw wrongUsage('replay takes one bundle and --evidence', REPLAY_USAGE)
  }
  const items = recorded(evidence, values, REPLAY_USAGE)
  await using candidate = await Candidate.open(bundle)
  return told(await measured(items, candidate, null, io), values.json, io)
}

/** `countersign policy diff`. */
export async function diffCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = commandLine(DIFF_USAGE, OPTIONS, argv)
  if (values.help) return help(io, DIFF_USAGE)
  const [before, after, ...rest] = positionals
  const { evidence, cases } = values
  if (
    before === undefined ||
    after === undefined ||
    rest.length > 0 ||
    (evidence === undefined) === (cases === undefined)
  ) {
    throw wrongUsage('diff takes two bundles, and --evidence or --cases', DIFF_USAGE)
  }
  const items = evidence === undefined ? inCases(cases ?? '') : recorded(evidence, values, DIFF_USAGE)
  await using first = await Candidate.open(before)
  await using second = await Candidate.open(after)
  return told(await measured(items, second, first, io), values.json, io)
}

async function* recorded(
  evidence: string,
  { since, until }: { readonly since?: string | undefined; readonly until?: string | undefined },
  usage: string,
): AsyncGenerator<Item | Skipped> {
  const [from, to] = [timeOption('--since', since, usage), timeOption('--until', until, usage)]
  for await (const stored of readRecords(evidence, { mark: '"event":"decision.' })) {
    const { event, ts } = stored.record
    if (!event.startsWith('decision.') || (from !== null && ts < from) || (to !== null && ts >= to)) continue
    yield itemOf(stored)
  }
}

async function* inCases(directory: string): AsyncGenerator<Item> {
  for (const { name, plane, input } of await readCases(directory)) {
    const text = JSON.stringify(input)
    yield {
      id: name,
      about: aboutOf(text),
      question: { plane, input: text, masked: [], nowMs: timeOf(input), nondeterministic: null },
      recorded: null,
    }
  }
}

interface Measured extends Rehearsal {
  readonly seconds: number
}

async function measured(
  items: AsyncIterable<Item | Skipped>,
  candidate: Candidate,
  before: Candidate | null,
  { stderr }: CommandIo,
): Promise<Measured> {
  const start = performance.now()
  let shown = start
  const result = await rehearse(items, candidate, before, (done) => {
    if (performance.now() - shown < 1000) return
    shown = performance.now()
    stderr.write(`${plural(done, 'decision')} so far\n`)
  })
  await setImmediate()
  return { ...result, seconds: (performance.now() - start) / 1000 }
}

function told(result: Measured, asJson: boolean, io: CommandIo): number {
  io.stdout.write(asJson ? asDocument(result) : text(result))
  return result.groups.length === 0 ? EXIT.ok : EXIT.failed
}

function asDocument({ skipped, controlsLost, ...result }: Measured): string {
  return json({ ...result, skipped: Object.fromEntries(skipped), controls_lost: Object.fromEntries(controlsLost) })
}

function text({ total, compared, same, skipped, groups, controlsLost, seconds }: Measured): string {
  const lines = [
    `${plural(total, 'decision')}, ${compared.toLocaleString('en')} taken again in ${seconds.toFixed(1)} s: ${same.toLocaleString('en')} the same, ` +
      `${(compared - same).toLocaleString('en')} not\n`,
    ...[...skipped].map(([why, count]) => `${plural(count, 'decision')} not taken again: ${why}\n`),
    groups.length === 0 ? '\nNo difference.\n' : '',
    ...groups.map(groupText),
    controlsLost.size === 0 ? '' : '\nControls that decisions no longer evidence:\n',
    ...[...controlsLost]
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([control, count]) => `  ${control}: ${plural(count, 'decision')}\n`),
  ]
  return lines.join('')
}

const HEADINGS: Readonly<Record<string, string>> = {
  reject: 'NOW REJECTED',
  hold: 'NOW HELD',
  mask: 'NOW MASKED',
  forward: 'NOW FORWARDED',
}

function groupText({ differences, count, examples }: Group): string {
  const verdict = differences.find(({ kind }) => kind === 'verdict')
  const heading = verdict === undefined ? 'SAME VERDICT' : (HEADINGS[verdict.what.split(' → ')[1] ?? ''] ?? 'CHANGED')
  const looser = differences.some((each) => each.looser) ? ', looser than before' : ''
  return [
    `\n${heading}${looser}: ${plural(count, 'decision')}\n`,
    ...differences.map(({ kind, what }) => `  ${kind}: ${printable(what)}\n`),
    ...examples.map(({ id, about }) => `    e.g. ${printable(id)}  ${printable(about)}\n`),
  ].join('')
}

function help(io: CommandIo, usage: string): number {
  io.stdout.write(usage)
  return EXIT.ok
}
