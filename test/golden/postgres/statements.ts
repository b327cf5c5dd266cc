import type { Catalog, NormalizedStatement, SqlParser } from '../../../planes/postgres/normalizer/index.ts'
import { normalizeStatement } from '../../../planes/postgres/normalizer/index.ts'
import { NormalizeError } from '../../../engine/index.ts'

/** As the gateway of the tests is configured: its role at the upstream, and nothing prepared. */
export const NAMES = { database: 'bank', user: 'postgres', prepared: () => undefined, cursor: () => undefined }

/** Every statement of a script, named. */
export async function normalizeAll(
  parser: SqlParser,
  catalog: Catalog,
  sql: string,
): Promise<readonly NormalizedStatement[]> {
  return (await parser.parse(sql)).map((statement) => normalizeStatement(statement, catalog, NAMES))
}

/** The one statement that the text holds. */
export async function normalizeOne(parser: SqlParser, catalog: Catalog, sql: string): Promise<NormalizedStatement> {
  const [statement, ...others] = await normalizeAll(parser, catalog, sql)
  if (statement === undefined || others.length > 0) throw new Error('one statement was expected')
  return statement
}

/** What the first opaque thing about a statement is told as, or why it can't be judged at all. */
export async function refusalOf(parser: SqlParser, catalog: Catalog, sql: string): Promise<NormalizeError> {
  try {
    const opaque = (await normalizeAll(parser, catalog, sql)).flatMap((statement) => statement.opaque)
    if (opaque[0] !== undefined) return opaque[0].error
  } catch (error) {
    if (error instanceof NormalizeError) return error
    throw error
  }
  throw new Error(`named, not refused: ${sql}`)
}

/** `public.customers.ssn: output predicate`, a line for every column that is used. */
export function usesOf({ resources }: NormalizedStatement): readonly string[] {
  return resources.flatMap(({ name, parts }) => parts.map((part) => `${name}.${part.name}: ${part.uses.join(' ')}`))
}

/** `ssn = copy of public.customers.ssn public.vip_customers.ssn`, a line for every result column. */
export function outputsOf({ outputs }: NormalizedStatement): readonly string[] | null {
  return (
    outputs?.map(({ name, copy, sources }) => {
      const from = sources.map(({ resource, part }) => `${resource}.${part}`).join(' ')
      return from === '' ? name : `${name} = ${copy ? 'copy of' : 'made of'} ${from}`
    }) ?? null
  )
}
