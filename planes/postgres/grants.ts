import type { AccessRequest, Labels, Principal } from '../../engine/index.ts'
import { NO_NAMES } from './naming.ts'
import { NormalizeError } from '../../engine/index.ts'
import { CatalogSource } from './catalog-source.ts'
import type { PostgresConfig } from './config.ts'
import { requestBlock } from './enforcer/request-block.ts'
import { accessParts, SqlParser, type NormalizedStatement } from './normalizer/index.ts'
import { QueryConnection, type TextRow } from './upstream.ts'

export interface GrantOptions {
  readonly database: string
  /** The role that the gateway will use at the server. */
  readonly role: string
  /** For whom statements are judged: what any of them may do, the role may. */
  readonly principals: readonly Principal[]
  /** `data.labels.postgres` of the policy. */
  readonly labels: Labels
  /** Whether policy lets a request through, masked or held as it may be. */
  allows(request: AccessRequest): boolean
  /** Milliseconds since 1970. */
  now(): number
}

interface Relation {
  readonly schema: string
  readonly name: string
  readonly columns: readonly string[]
  /** Those that an INSERT or UPDATE can name. */
  readonly writable: readonly string[]
  /** Sequences that its columns' defaults draw from, quoted. */
  readonly sequences: readonly string[]
}

const RELATIONS = `SELECT n.nspname, c.relname, a.attname, (a.attgenerated = '' AND a.attidentity <> 'a')::text,
    (SELECT pg_catalog.string_agg(pg_catalog.format('%I.%I', sn.nspname, s.relname), ', ')
      FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
      JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace
      WHERE d.refobjid = c.oid AND d.refobjsubid = a.attnum AND d.deptype = 'a')
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
  ORDER BY 1, 2, a.attnum`

/**
 * The least that a role needs for what policy lets through, as SQL: every relation is asked about as a client would, through
 * the grammar and the catalogue, column by column where the whole is refused. Columns are named, so that one that is added
 * later is nobody's until this has run again. Throws UpstreamError.
 */
export async function leastGrants(config: PostgresConfig, options: GrantOptions): Promise<string> {
  const { database } = options
  const upstream = { ...config.upstream, database }
  const connection = await QueryConnection.open(upstream, new Map())
  const source = new CatalogSource(upstream, await SqlParser.open(), {
    maxAgeMs: Number.MAX_SAFE_INTEGER,
    now: () => options.now(),
    connected: () => Promise.resolve(),
  })
  try {
    const relations = relationsOf(await connection.query(RELATIONS))
    const grants: string[] = []
    for (const relation of relations) grants.push(...(await grantsOn(relation, source, options)))
    const schemas = [...new Set(relations.map(({ schema }) => schema))]
    return script(options, schemas, grants)
  } finally {
    connection.close()
    source.close()
  }
}

function relationsOf(rows: readonly TextRow[]): readonly Relation[] {
  const groups = Map.groupBy(rows, ([schema, name]) => JSON.stringify([schema, name]))
  return [...groups.values()].map((columns) => ({
    schema: columns[0]?.[0] ?? '',
    name: columns[0]?.[1] ?? '',
    columns: columns.map(([, , column]) => column ?? ''),
    writable: columns.filter(([, , , writable]) => writable === 'true').map(([, , column]) => column ?? ''),
    sequences: columns.flatMap(([, , , , sequence]) => (sequence === null || sequence === undefined ? [] : [sequence])),
  }))
}

async function grantsOn(relation: Relation, source: CatalogSource, options: GrantOptions): Promise<readonly string[]> {
  const { columns, writable, sequences } = relation
  const place = `${quoted(relation.schema)}.${quoted(relation.name)}`
  const list = (names: readonly string[]): string => names.map(quoted).join(', ')
  const allowed = (sql: string): Promise<boolean> => isAllowed(sql, source, options)
  const read = await most(columns, (names) => allowed(`SELECT ${list(names)} FROM ${place}`))
  const inserted = await most(writable, (names) =>
    allowed(`INSERT INTO ${place} (${list(names)}) VALUES (${names.map(() => "'1'").join(', ')})`),
  )
  const updated = await most(writable, (names) =>
    allowed(`UPDATE ${place} SET ${names.map((name) => `${quoted(name)} = '1'`).join(', ')}`),
  )
  const grant = (what: string, names: readonly string[]): string[] =>
    names.length === 0 ? [] : [`GRANT ${what} (${list(names)}) ON TABLE ${place} TO ${quoted(options.role)};`]
  return [
    ...grant('SELECT', read),
    ...grant('INSERT', inserted),
    ...grant('UPDATE', updated),
    ...((await allowed(`DELETE FROM ${place}`)) ? [`GRANT DELETE ON TABLE ${place} TO ${quoted(options.role)};`] : []),
    ...(inserted.length > 0
      ? sequences.map((sequence) => `GRANT USAGE ON SEQUENCE ${sequence} TO ${quoted(options.role)};`)
      : []),
  ]
}

/** All of the columns where that is allowed, else those that are by themselves. */
async function most(
  columns: readonly string[],
  allowed: (columns: readonly string[]) => Promise<boolean>,
): Promise<readonly string[]> {
  if (columns.length === 0 || (await allowed(columns))) return columns
  const some: string[] = []
  if (columns.length > 1) for (const column of columns) if (await allowed([column])) some.push(column)
  return some
}

/** What can't be named is refused at the gateway, so the role needs nothing for it. */
async function isAllowed(sql: string, source: CatalogSource, options: GrantOptions): Promise<boolean> {
  try {
    const { statements } = await source.normalize(sql, NO_NAMES)
    const [statement] = statements
    if (statement === undefined) return false
    return options.principals.some((principal) => options.allows(requestOf(statement, principal, options)))
  } catch (error) {
    if (error instanceof NormalizeError) return false
    throw error
  }
}

/** As the enforcer would make it, for a session that isn't there. */
function requestOf(statement: NormalizedStatement, principal: Principal, options: GrantOptions): AccessRequest {
  const { labels, database, role } = options
  const { resources } = accessParts(statement, labels, [])
  const block = requestBlock(statement, { kind: statement.kind, database, user: role, parameters: [] })
  const time = new Date(options.now()).toISOString()
  const context = {
    plane: 'postgres',
    session: 'grants',
    time,
    source: null,
    transaction: 'none',
    approvals: [],
  } as const
  const recorded = { resources, block }
  return { principal, action: statement.action, resources, context, block, recorded, labels_revision: labels.revision }
}

function script({ database, role }: GrantOptions, schemas: readonly string[], grants: readonly string[]): string {
  const name = quoted(role)
  const used = schemas.filter((schema) => grants.some((grant) => grant.includes(` ${quoted(schema)}.`)))
  return `${[
    `-- The least that the gateway's role needs in database ${printed(database)} for what policy lets through.`,
    '-- Run it there as the owner of the tables, or as a superuser; again, after the schema or the policy has changed.',
    '-- Give the role its password yourself (\\password), and let only the gateway reach the server with it (pg_hba.conf).',
    'BEGIN;',
    `DO $do$ BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = ${literal(role)}) THEN`,
    `  CREATE ROLE ${name} LOGIN; END IF; END $do$;`,
    `ALTER ROLE ${name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT;`,
    `GRANT CONNECT ON DATABASE ${quoted(database)} TO ${name};`,
    ...schemas.flatMap((schema) => [
      `REVOKE ALL ON ALL TABLES IN SCHEMA ${quoted(schema)} FROM ${name};`,
      `REVOKE ALL ON ALL SEQUENCES IN SCHEMA ${quoted(schema)} FROM ${name};`,
      `REVOKE ALL ON SCHEMA ${quoted(schema)} FROM ${name};`,
    ]),
    ...used.map((schema) => `GRANT USAGE ON SCHEMA ${quoted(schema)} TO ${name};`),
    ...grants,
    'COMMIT;',
  ].join('\n')}\n`
}

/** As an identifier; PostgreSQL has none with a NUL in it. */
function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function literal(text: string): string {
  const escaped = text.replaceAll("'", "''")
  return text.includes('\\') ? ` E'${escaped.replaceAll('\\', '\\\\')}'` : `'${escaped}'`
}

/** In a comment, where a line break would end it. */
function printed(name: string): string {
  return name.replaceAll(/\p{C}/gu, '?')
}
