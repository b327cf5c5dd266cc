import * as fc from 'fast-check'

/** A query over the bank, with the names of its columns (all different), so that it can be built upon. */
interface Query {
  readonly sql: string
  readonly columns: readonly string[]
}

/** Expressions over one text value that any server accepts. */
const SHAPES: readonly ((value: string) => string)[] = [
  (value) => value,
  (value) => `(${value})`,
  (value) => `upper(${value})`,
  (value) => `${value} || 'x'`,
  (value) => `coalesce(${value}, '')`,
  (value) => `left(md5(${value}), 4)`,
  (value) => `CASE WHEN ${value} > 'm' THEN ${value} ELSE 'low' END`,
  (value) => `(ARRAY[${value}])[1]`,
  (value) => `nullif(${value}, 'x')`,
  (value) => `(SELECT ${value})`,
  (value) => `JSON_VALUE(JSON_OBJECT('k': ${value}), '$.k')`,
  (value) => `concat_ws('-', ${value}, 1)`,
  (value) => `(${value})::varchar::text`,
]

const BASES: readonly Query[] = [
  { sql: 'SELECT name AS a, ssn AS b FROM customers', columns: ['a', 'b'] },
  { sql: 'SELECT email AS a, ssn AS b, phone AS c FROM ONLY customers', columns: ['a', 'b', 'c'] },
  { sql: 'SELECT (c).ssn AS a, c.name AS b FROM customers c', columns: ['a', 'b'] },
  { sql: 'SELECT n AS a, reference_code AS b, contact AS c FROM customer_contact', columns: ['a', 'b', 'c'] },
  { sql: 'SELECT account_number AS a, balance::text AS b FROM accounts', columns: ['a', 'b'] },
  { sql: 'SELECT code AS a, nm AS b FROM customer_mv', columns: ['a', 'b'] },
  { sql: `SELECT 'a'::text AS a, status AS b FROM transfers`, columns: ['a', 'b'] },
  { sql: 'SELECT tier AS a, ssn AS b FROM vip_customers', columns: ['a', 'b'] },
]

const names = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `c${index + 1}`)
const shape = fc.constantFrom(...SHAPES)

const { query } = fc.letrec<{ query: Query }>((tie) => ({
  query: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(...BASES),
    fc.tuple(tie('query'), fc.infiniteStream(shape)).map(([inner, shapes]) => projected(inner, shapes)),
    fc.tuple(tie('query'), shape).map(([inner, make]) => filtered(inner, make)),
    fc.tuple(tie('query'), tie('query')).map(([left, right]) => joined(left, right)),
    fc.tuple(tie('query'), tie('query'), fc.constantFrom('UNION ALL', 'UNION', 'EXCEPT', 'INTERSECT')).map(combined),
    fc.tuple(tie('query'), fc.boolean()).map(([inner, materialized]) => common(inner, materialized)),
    tie('query').map(grouped),
    tie('query').map(ordered),
  ),
}))

function projected({ sql, columns }: Query, shapes: Iterable<(value: string) => string>): Query {
  const out = names(columns.length)
  const made = [...Iterator.from(shapes).take(columns.length)]
  const targets = columns.map((column, index) => `${made[index]?.(`q.${column}`) ?? column} AS ${out[index]}`)
  return { sql: `SELECT ${targets.toReversed().join(', ')} FROM (${sql}) q`, columns: out.toReversed() }
}

function filtered({ sql, columns }: Query, make: (value: string) => string): Query {
  return { sql: `SELECT * FROM (${sql}) q WHERE ${make(columns[0] ?? '')} IS NOT NULL`, columns }
}

function joined(left: Query, right: Query): Query {
  const out = names(left.columns.length + right.columns.length)
  const aliases = (of: Query, from: number): string => out.slice(from, from + of.columns.length).join(', ')
  const right0 = out[left.columns.length]
  return {
    sql: `SELECT * FROM (${left.sql}) l(${aliases(left, 0)}) LEFT JOIN (${right.sql}) r(${aliases(right, left.columns.length)}) ON ${out[0]} = ${right0}`,
    columns: out,
  }
}

function combined([left, right, operator]: readonly [Query, Query, string]): Query {
  const width = Math.min(left.columns.length, right.columns.length)
  const arm = (of: Query): string => `SELECT ${of.columns.slice(0, width).join(', ')} FROM (${of.sql}) q`
  return { sql: `${arm(left)} ${operator} ${arm(right)}`, columns: left.columns.slice(0, width) }
}

function common({ sql, columns }: Query, materialized: boolean): Query {
  const out = names(columns.length)
  return {
    sql: `WITH w(${out.join(', ')}) AS ${materialized ? 'MATERIALIZED' : ''} (${sql}) SELECT * FROM w`,
    columns: out,
  }
}

function grouped({ sql, columns }: Query): Query {
  const [key = ''] = columns
  const rest = columns.slice(1).map((column) => `max(q.${column}) AS m_${column}`)
  return {
    sql: `SELECT q.${key}, ${rest.join(', ')} FROM (${sql}) q GROUP BY q.${key}`,
    columns: [key, ...columns.slice(1).map((column) => `m_${column}`)],
  }
}

function ordered({ sql, columns }: Query): Query {
  return {
    sql: `SELECT DISTINCT ON (${columns[0]}) * FROM (${sql}) q ORDER BY 1, ${columns.at(-1)} DESC LIMIT 3`,
    columns,
  }
}

/** SQL of an arbitrary query over the bank; every one of them is valid. */
export const anyQuery: fc.Arbitrary<string> = query.map(({ sql }) => sql)
