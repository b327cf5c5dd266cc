import {
  CERTAINTY,
  isCitable,
  loadControlPack,
  RECORDED_EVENTS,
  SHIPPED_CONTROLS,
  type Control,
  type ControlPack,
} from '../engine/controls/index.ts'
import { nearest } from '../engine/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { EXIT, UsageError } from './exit.ts'
import { printable, wrapped } from './printable.ts'

const OPTIONS = {
  controls: { type: 'string', default: SHIPPED_CONTROLS },
  all: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

const LIST_USAGE = `usage: countersign controls list [--all] [--controls DIR] [--json]

The controls of the pack that may be cited: id, strength, certainty, title.

  --all           also those of withdrawn frameworks, and those known from memory alone (certainty M)
  --controls DIR  another pack than the one that comes with the gateway
  --json          as JSON
`

/** `countersign controls list`. */
export async function listCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = commandLine(LIST_USAGE, OPTIONS, argv)
  if (values.help) {
    io.stdout.write(LIST_USAGE)
    return EXIT.ok
  }
  if (positionals.length > 0) throw wrongUsage('list takes no argument', LIST_USAGE)
  const pack = await loadControlPack(values.controls)
  const controls = [...pack.controls.values()].filter((control) => values.all || isCitable(control))
  io.stdout.write(
    values.json
      ? `${JSON.stringify({ version: pack.version, digest: pack.digest, controls }, null, 2)}\n`
      : listText(pack, controls),
  )
  return EXIT.ok
}

function listText({ version, digest }: ControlPack, controls: readonly Control[]): string {
  const width = Math.max(...controls.map(({ id }) => id.length))
  let text = `Control pack ${version}, digest ${digest}\n`
  let framework = ''
  for (const control of controls) {
    if (control.framework !== framework) {
      framework = control.framework
      text += `\n${printable(framework)}${remarks(control)}\n`
    }
    const { id, strength, certainty, title } = control
    text += `  ${id.padEnd(width)}  ${strength.padEnd(10)}  ${certainty.padEnd(2)}  ${printable(title)}\n`
  }
  return `${text}\nCertainty: ${Object.entries(CERTAINTY)
    .map(([mark, meaning]) => `${mark} ${meaning}`)
    .join('; ')}.\n`
}

function remarks({ status, identifiers }: Control): string {
  if (status === 'legacy') return ' (withdrawn: explains older reports, cited nowhere)'
  return identifiers === 'ours' ? ' (its documents number nothing: the ids are labels of ours)' : ''
}

const SHOW_USAGE = `usage: countersign controls show ID [--controls DIR] [--json]

All that the pack says of one control: where it comes from, what it asks, what is measured and what is not shown.
`

/** `countersign controls show ID`. */
export async function showCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = commandLine(SHOW_USAGE, OPTIONS, argv)
  if (values.help) {
    io.stdout.write(SHOW_USAGE)
    return EXIT.ok
  }
  const [id, ...rest] = positionals
  if (id === undefined || rest.length > 0) throw wrongUsage('show takes the id of one control', SHOW_USAGE)
  const control = knownControl(await loadControlPack(values.controls), id)
  io.stdout.write(values.json ? `${JSON.stringify(control, null, 2)}\n` : showText(control))
  return EXIT.ok
}

/** The control of this id. Throws UsageError, naming what was probably meant. */
export function knownControl({ controls }: ControlPack, id: string): Control {
  const control = controls.get(id)
  if (control !== undefined) return control
  const meant = nearest(id, [...controls.keys()])
  const hint = meant === undefined ? '`countersign controls list` shows them' : `did you mean ${meant}?`
  throw new UsageError(`there is no control ${JSON.stringify(id)} in the pack; ${hint}`)
}

function showText(control: Control): string {
  const { source, certainty, certaintyNote, crosswalk } = control
  const procedure = source.examProcedure === null ? '' : `, examination procedure ${source.examProcedure}`
  const recorded = control.events.filter((event) => RECORDED_EVENTS.has(event))
  const missing = control.events.filter((event) => !RECORDED_EVENTS.has(event))
  const facts: readonly (readonly [string, string])[] = [
    ['framework', `${control.framework}${remarks(control)}`],
    ['source', `${source.document}, ${source.section}${procedure}`],
    ['asks', control.paraphrase ?? 'its wording is licensed, and not repeated here'],
    ['strength', control.strength],
    ['certainty', `${certainty}: ${CERTAINTY[certainty]}${certaintyNote === null ? '' : `. ${certaintyNote}`}`],
    ['events', recorded.join(', ') || 'none that this version records'],
    ...(missing.length === 0
      ? []
      : [['not yet', `${missing.join(', ')}: named by the mapping, recorded by no version so far`] as const]),
    ['metric', control.metric ?? 'none'],
    ['not shown', control.notShown ?? 'nothing is claimed under a withdrawn framework'],
    ...Object.entries(crosswalk).map(([name, ids]) => [name.replaceAll('_', ' '), ids.join(', ')] as const),
  ]
  const lines = facts.map(([name, text]) => `  ${name.padEnd(15)}  ${wrapped(text, ' '.repeat(19))}\n`)
  return `${control.id}  ${printable(control.title)}\n${lines.join('')}`
}
