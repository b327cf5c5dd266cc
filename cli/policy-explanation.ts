import { aboutOf, type RecordedRequest } from '../engine/rehearsal/index.ts'
import { printable } from './printable.ts'

/** What was asked, as far as it is known. */
export type Asked = Pick<RecordedRequest, 'plane' | 'input' | 'masked'>

interface Rule {
  readonly id: string
  readonly verdict: string
  readonly title: string
  readonly file: string
  readonly line: number
  readonly fired: boolean
  readonly failed: Stop | null
}

/** Where a rule's body ended; `because`: where the rules behind that expression did. */
interface Stop {
  readonly file: string
  readonly line: number
  readonly text: string
  readonly values: Readonly<Record<string, unknown>>
  readonly because: readonly Stop[]
}

const ANSWERED: Readonly<Record<string, string>> = {
  forward: 'It is let through.',
  mask: 'It is let through, with what is protected masked.',
  hold: 'It waits until people have said yes.',
  reject: 'It is rejected.',
}

/** The compiler's report in words for whoever was refused: what decided, and what would have let it through. */
export function explanation(
  { input, masked }: Asked,
  report: Readonly<Record<string, unknown>>,
  everything: boolean,
): string {
  const rules = Array.isArray(report.rules) ? report.rules.filter(isRule) : []
  const verdict = textAt(report.result, 'verdict')
  const stopped = rules.filter((rule) => !rule.fired)
  const permits =
    verdict === 'reject' ? stopped.filter((rule) => rule.verdict === 'forward' || rule.verdict === 'hold') : []
  const others = everything ? stopped.filter((rule) => !permits.includes(rule)) : []
  return [
    `${printable(aboutOf(input))}\n${ANSWERED[verdict] ?? 'The policy gives no verdict, so it is rejected.'}\n`,
    ...maskedNote(masked),
    '\nWhy:\n',
    ...reasonsOf(report.result).map((reason) => whyText(reason, rules)),
    ...section('Of the rules that would let it through or ask people first, each stops somewhere', permits),
    ...section('The other rules that did not apply', others),
  ].join('')
}

function maskedNote(masked: Asked['masked']): readonly string[] {
  if (masked.length === 0) return []
  const places = masked.map((path) => printable(path.join('.'))).join(', ')
  return [`Masked in the record, so that a rule that reads it may look otherwise here: ${places}\n`]
}

interface Reason {
  readonly rule: string
  readonly message: string
}

/** What policy itself said; a rule that fired beside a stricter one has not decided anything. */
function reasonsOf(result: unknown): readonly Reason[] {
  const reasons: unknown = Object(result).reasons
  return (Array.isArray(reasons) ? reasons : []).map((reason: unknown) => ({
    rule: textAt(reason, 'rule'),
    message: textAt(reason, 'message'),
  }))
}

function whyText({ rule, message }: Reason, rules: readonly Rule[]): string {
  const own = rules.find(({ id }) => id === rule)
  const place = own === undefined ? 'the library' : `${own.file}:${own.line}`
  return `  ${printable(message)}\n      rule ${printable(rule)}, ${place}\n`
}

function section(title: string, rules: readonly Rule[]): readonly string[] {
  if (rules.length === 0) return []
  const told = new Map<string, string>()
  return [`\n${title}:\n`, ...rules.map((rule) => stoppedText(rule, told))]
}

/** `told`: which rule has been said to stop at a place. Many stop at the same one, and it is told once. */
function stoppedText({ id, title, verdict, failed }: Rule, told: Map<string, string>): string {
  const head = `  ${printable(id)} (${verdict}): ${printable(title)}\n`
  if (failed === null) return `${head}      was not looked at for this request\n`
  const place = innermost(failed)
  const before = told.get(place)
  if (before !== undefined) return `${head}      stops where ${printable(before)} does\n`
  told.set(place, id)
  return `${head}${stopText(failed, '      ')}`
}

function innermost({ file, line, because }: Stop): string {
  return because.length === 0 ? `${file}:${line}` : because.map(innermost).join(' ')
}

/** From the rule down to the expression that says no. */
function stopText({ file, line, text, values, because }: Stop, indent: string): string {
  const found = Object.entries(values).map(([path, value]) => `${indent}  here ${path} is ${valueText(value)}\n`)
  return [
    `${indent}asks, at ${file}:${line}, that ${printable(text.replaceAll(/\s+/g, ' '))}\n`,
    ...found,
    ...because.map((inner) => stopText(inner, `${indent}  `)),
  ].join('')
}

const LONGEST_VALUE = 120

/** Text of a client's goes to a terminal: printable, and not without end. */
function valueText(value: unknown): string {
  if (value === null || value === undefined) return 'not there'
  const text = printable(JSON.stringify(value))
  return text.length <= LONGEST_VALUE ? text : `${text.slice(0, LONGEST_VALUE)}…`
}

function textAt(value: unknown, name: string): string {
  const found: unknown = Object(value)[name]
  return typeof found === 'string' ? found : ''
}

function isRule(value: unknown): value is Rule {
  return typeof value === 'object' && value !== null && 'id' in value && 'fired' in value && 'failed' in value
}
