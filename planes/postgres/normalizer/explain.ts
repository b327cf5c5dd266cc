import type { ExplainStmt, Node } from 'libpg-query'
import type { ActionClass } from '../../../engine/index.ts'
import { all, bodyOf } from './ast.ts'
import type { Outcome } from './normalized.ts'
import { unsupported } from './refusal.ts'
import { constantText } from './settings.ts'

const TYPES: Readonly<Record<string, number>> = { text: 25, yaml: 25, json: 114, xml: 142 }
const OPTIONS = new Set([
  'analyze',
  'verbose',
  'costs',
  'settings',
  'generic_plan',
  'summary',
  'buffers',
  'memory',
  'format',
  'timing',
  'wal',
  'serialize',
])
const FALSE = new Set(['false', 'off', '0'])

/**
 * EXPLAIN: its answer is a plan; what the statement does is named as if it ran, and with ANALYZE it does run. A plan tells
 * nothing of a column but how many rows a condition lets through, so a condition stays what it is.
 */
export function explainStatement(stmt: ExplainStmt, name: (node: Node) => Outcome): Outcome {
  const { format, analyze } = optionsOf(stmt.options)
  if (stmt.query === undefined) throw unsupported('EXPLAIN of nothing')
  const inner = name(stmt.query)
  const plan = { name: 'QUERY PLAN', sources: [], copy: false, typeOid: format }
  const planned: ActionClass = inner.class === 'discover' ? 'discover' : 'read'
  return {
    ...inner,
    kind: analyze ? 'explain_analyze' : 'explain',
    class: analyze ? inner.class : planned,
    effectFree: inner.effectFree === true || (!analyze && isRows(stmt.query)),
    outputs: [plan],
    // What is only planned defines nothing.
    effect: analyze && inner.effect !== undefined ? inner.effect : { kind: 'none' },
    carries: analyze ? (inner.carries ?? []) : [],
  }
}

function isRows(node: Node): boolean {
  return (bodyOf('SelectStmt', node) ?? bodyOf('InsertStmt', node) ?? bodyOf('UpdateStmt', node)) !== undefined
}

/** The type of the answer's column. The last of several equal options wins on the server; here any that runs it counts. */
function optionsOf(options: ExplainStmt['options']): { readonly format: number; readonly analyze: boolean } {
  let format = 'text'
  let analyze = false
  for (const { defname = '', arg, location } of all('DefElem', options)) {
    const value = constantText(arg).toLowerCase()
    if (!OPTIONS.has(defname)) throw unsupported(`the EXPLAIN option ${defname} is not covered`, location)
    if (defname === 'analyze' && !FALSE.has(value)) analyze = true
    if (defname === 'format') format = value
  }
  const typeOid = TYPES[format]
  if (typeOid === undefined) throw unsupported('this EXPLAIN format is not covered')
  return { format: typeOid, analyze }
}
