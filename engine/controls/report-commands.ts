import { isByRuleOnly, type Control } from './control.ts'
import type { ControlReport, ControlSection } from './report.ts'

/** The directory and the key, as an examiner puts in what they hold. */
const DIRECTORY = 'EVIDENCE'

export const verifyCommand: string = `countersign evidence verify ${DIRECTORY} --log-key log.pub`

/** Both verifiers over the whole log. */
export function verifyLog({ log }: ControlReport): readonly string[] {
  return [
    `# the whole log: it must be ${log.origin}, of ${log.size} records with the root above, or more that continue it`,
    verifyCommand,
    '# the same by a second verifier that shares no code with the gateway',
    `python3 docs/verify.py ${DIRECTORY} --log-key "$(cat log.pub)"`,
  ]
}

/** One record's way to the root. */
export function explainOne({ sample: [first] }: ControlSection, { log }: ControlReport): readonly string[] {
  if (first === undefined) return []
  return [
    '# the first record of the sample: its draw, out of the root and its leaf hash; and its leaf, proof and root',
    `printf ${log.root}${first.leaf} | xxd -r -p | sha256sum`,
    `${verifyCommand} --explain ${first.id}`,
  ]
}

/** The report again: same log, same checkpoint, same pack, same bytes. */
export function makeAgain(control: string | null, { period }: ControlReport): readonly string[] {
  const only = control === null ? '' : ` --control '${control}'`
  const from = period.from === null ? '' : ` --from ${period.from}`
  const to = period.to === null ? '' : ` --to ${period.to}`
  return ['# this report again', `countersign report --evidence ${DIRECTORY}${only}${from}${to} -o report.pdf`]
}

/** The population counted with a tool of anybody's: one that knows JSON, and nothing of ours. */
export function countAgain(control: Control, { period, log }: ControlReport): readonly string[] {
  const events = isByRuleOnly(control) ? [] : control.events
  const named = `(.reasons // [] | any(.controls | index("${control.id}")))`
  const either =
    events.length === 0 ? named : `((.event | IN(${events.map((event) => `"${event}"`).join(', ')})) or ${named})`
  const times = [
    ...(period.from === null ? [] : [`.ts >= "${period.from}"`]),
    ...(period.to === null ? [] : [`.ts < "${period.to}"`]),
  ]
  const all = [either, ...times].join(' and ')
  return [
    `# records up to leaf ${log.size - 1}; those that came later are counted too, if the directory has grown`,
    `cat ${DIRECTORY}/records/*.ndjson | jq -c '.record | select(${all})' | wc -l`,
  ]
}
