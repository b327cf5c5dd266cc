import { NormalizeError } from '../../engine/index.ts'
import type { FieldDescription } from '../../planes/postgres/codec/backend-messages.ts'
import { formatAt } from '../../planes/postgres/codec/frontend-messages.ts'
import { CATALOG_QUERIES } from '../../planes/postgres/normalizer/catalog-queries.ts'
import {
  Catalog,
  type NormalizedResource,
  type NormalizedStatement,
  type OutputColumn,
} from '../../planes/postgres/normalizer/index.ts'
import type { Named } from '../../planes/postgres/session/invocations.ts'

/** What no client may ever see: every value of the labelled column, and every text of the server's about it. */
export const CANARY = 'canary'
/** Policy rejects a statement with this word in it; such a text never reaches the server. */
export const DENIED = 'denied'

export const VERBS = [
  'read',
  'write',
  'copy',
  'fail',
  'late',
  'begin',
  'commit',
  'rollback',
  'deallocate',
  'nonsense',
] as const
export type Verb = (typeof VERBS)[number]

/**
 * A statement of the language that scripted clients and servers speak: `[denied ]<verb> <target> #<n>`. `target` is
 * `open`, `secret` (the labelled table), or for `deallocate` the name. `fail` fails when it runs, `late` when its
 * transaction commits; `copy` takes rows from the client, and fails on one that says `bad`. A trailing `$1` takes one parameter.
 */
export interface ScriptedStatement {
  readonly sql: string
  readonly verb: Verb
  readonly target: string
  readonly denied: boolean
  readonly parameters: number
}

/** The statements of one text; null where a server, and so the normalizer, finds no sense in it. */
export function readScript(sql: string): readonly ScriptedStatement[] | null {
  const statements: ScriptedStatement[] = []
  for (const text of sql.split(';').map((each) => each.trim())) {
    if (text === '') continue
    const [, denied, found, target = 'open', parameter] = /^(denied )?(\w+)(?: (\w+))? #\d+( \$1)?$/.exec(text) ?? []
    const verb = VERBS.find((each) => each === found)
    if (verb === undefined || verb === 'nonsense') return null
    const parameters = parameter === undefined ? 0 : 1
    statements.push({ sql: text, verb, target, denied: denied !== undefined, parameters })
  }
  return statements
}

export const CUSTOMERS = 16_500
export const NOTES = 16_600
const TEXT = 25
const CATALOGUE: ReadonlyMap<string, readonly (readonly (string | null)[])[]> = new Map([
  [CATALOG_QUERIES.namespaces, [['pg_catalog'], ['public']]],
  [
    CATALOG_QUERIES.relations,
    [
      [String(CUSTOMERS), 'public', 'customers', 'r', '0', 'f', null],
      [String(NOTES), 'public', 'notes', 'r', '0', 'f', null],
    ],
  ],
  [
    CATALOG_QUERIES.columns,
    [
      [String(CUSTOMERS), '1', 'id', String(TEXT), null],
      [String(CUSTOMERS), '2', 'ssn', String(TEXT), null],
      [String(NOTES), '1', 'note', String(TEXT), null],
    ],
  ],
])

/** The catalogue that the scripted server's tables make. */
export function scriptedCatalog(): Promise<Catalog> {
  return Catalog.load({
    query: (sql) => Promise.resolve(CATALOGUE.get(sql) ?? []),
  })
}

/** What the normalizer would make of a text. Throws NormalizeError where it has no sense. */
export function nameScript(sql: string, catalog: Catalog): Named {
  const script = readScript(sql)
  if (script === null) throw new NormalizeError('ERR_NORMALIZE_SYNTAX', 'syntax error', { position: 1 })
  return { statements: script.map(named), catalog }
}

const column = (name: string, resource: string): OutputColumn => ({
  name,
  sources: [{ resource, part: name }],
  copy: true,
  typeOid: TEXT,
})
const READS: Readonly<Record<string, readonly OutputColumn[]>> = {
  open: [column('note', 'public.notes')],
  secret: [column('id', 'public.customers'), column('ssn', 'public.customers')],
}

function named({ sql, verb, target }: ScriptedStatement): NormalizedStatement {
  const reads = verb === 'read' || verb === 'fail'
  const writes = verb === 'write' || verb === 'late' || verb === 'copy'
  const outputs = READS[target] ?? []
  return {
    kind: reads ? 'select' : verb === 'copy' ? 'copy_from' : writes ? 'insert' : verb,
    action: { name: `postgres.${verb}`, class: reads ? 'read' : writes ? 'write' : 'control' },
    effectFree: reads,
    resources: reads || writes ? [touched(target, reads)] : [],
    outputs: reads ? outputs : null,
    answerUnknown: false,
    opaque: [],
    values: null,
    copy: null,
    functions: [],
    sideEffects: [],
    setting: null,
    carries: [],
    effect: verb === 'deallocate' ? { kind: 'deallocate', name: target } : { kind: 'none' },
    text: sql,
    planned: null,
    parameterUses: [],
  }
}

function touched(target: string, reads: boolean): NormalizedResource {
  const [first, ...others] = (READS[target] ?? []).map(({ name }) => name)
  const name = target === 'secret' ? 'public.customers' : 'public.notes'
  if (!reads) return { type: 'table', name, parts: [{ name: first ?? '', uses: ['written'], written: null }] }
  return { type: 'table', name, parts: [first ?? '', ...others].map((part) => ({ name: part, uses: ['output'] })) }
}

/** As the scripted server describes its result; null where there is none. */
export function fieldsOf({ verb, target }: ScriptedStatement, formats: readonly (0 | 1)[]): FieldDescription[] | null {
  if (verb !== 'read' && verb !== 'fail') return null
  const column = (name: string, tableOid: number, attnum: number, index: number): FieldDescription => ({
    name,
    tableOid,
    attnum,
    typeOid: 25,
    typeSize: -1,
    typeModifier: -1,
    format: formatAt(formats, index),
  })
  return target === 'secret'
    ? [column('id', CUSTOMERS, 1, 0), column('ssn', CUSTOMERS, 2, 1)]
    : [column('note', NOTES, 1, 0)]
}

export function errorFields(code: string, message: string): ReadonlyMap<string, string> {
  return new Map([
    ['S', 'ERROR'],
    ['V', 'ERROR'],
    ['C', code],
    ['M', message],
    ['D', message],
  ])
}
