import type { ExplainStmt } from 'libpg-query'
import { all, bodyOf } from './ast.ts'
import type { Outcome } from './normalized.ts'
import { unsupported } from './refusal.ts'
import { rowStatement } from './row-statement.ts'
import { constantText } from './settings.ts'
import type { Walk } from './walk.ts'

const TYPES: Readonly<Record<string, number>> = { text: 25, yaml: 25, json: 114, xml: 142 }
const OPTIONS = new Set(['verbose', 'costs', 'settings', 'generic_plan', 'summary', 'buffers', 'memory', 'format'])
const FALSE = new Set(['false', 'off', '0'])

/** EXPLAIN of a read. Its answer is a plan; what the query reads is named as if it ran. ANALYZE would run it. */
export function explainStatement(walk: Walk, { query, options }: ExplainStmt): Outcome {
  const format = checkOptions(options)
  if (bodyOf('SelectStmt', query) === undefined || query === undefined) {
    throw unsupported('EXPLAIN of anything but a SELECT is not covered')
  }
  const inner = rowStatement(walk, query)
  if (inner.kind !== 'select') throw unsupported('EXPLAIN of a statement that changes something is not covered')
  const plan = { name: 'QUERY PLAN', sources: [], copy: false, typeOid: format }
  return { ...inner, kind: 'explain', outputs: [plan] }
}

/** The type of the answer's column. The last of several equal options wins on the server; here any that runs it refuses. */
function checkOptions(options: ExplainStmt['options']): number {
  let format = 'text'
  for (const { defname = '', arg, location } of all('DefElem', options)) {
    const value = constantText(arg).toLowerCase()
    if (defname === 'analyze' && FALSE.has(value)) continue
    if (defname === 'analyze')
      throw unsupported('EXPLAIN ANALYZE runs its statement: send the statement itself', location)
    if (!OPTIONS.has(defname)) throw unsupported(`the EXPLAIN option ${defname} is not covered`, location)
    if (defname === 'format') format = value
  }
  const typeOid = TYPES[format]
  if (typeOid === undefined) throw unsupported('this EXPLAIN format is not covered')
  return typeOid
}
