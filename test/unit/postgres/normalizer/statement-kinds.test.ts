import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Catalog, SqlParser } from '../../../../planes/postgres/normalizer/index.ts'
import { STATEMENTS } from '../../../../planes/postgres/normalizer/statement-kinds.ts'
import { bankCatalog } from '../../../golden/postgres/bank-catalog.ts'
import { normalizeOne } from '../../../golden/postgres/statements.ts'

let parser: SqlParser
let catalog: Catalog

beforeAll(async () => {
  parser = await SqlParser.open()
  catalog = await bankCatalog()
})
afterAll(() => parser.close())

/** One of each: statement → kind, class, and what it is about. */
const EXAMPLES: readonly (readonly [sql: string, kind: string, actionClass: string, about?: string])[] = [
  ['SELECT id FROM accounts', 'select', 'read', 'public.accounts'],
  ['VALUES (1)', 'select', 'read'],
  ['INSERT INTO transfers(id) VALUES (1)', 'insert', 'write', 'public.transfers'],
  ['UPDATE transfers SET id = 1', 'update', 'write', 'public.transfers'],
  ['DELETE FROM transfers', 'delete', 'destroy', 'public.transfers'],
  [
    'MERGE INTO events e USING accounts a ON a.id = e.id WHEN MATCHED THEN DO NOTHING',
    'merge',
    'write',
    'public.events',
  ],
  ['MERGE INTO events e USING accounts a ON a.id = e.id WHEN MATCHED THEN DELETE', 'merge', 'destroy'],
  ['COPY accounts TO STDOUT', 'copy_to', 'read', 'public.accounts'],
  ['COPY events FROM STDIN', 'copy_from', 'write', 'public.events'],
  ['CREATE TABLE t AS SELECT 1', 'create_table_as', 'control', 'public.t'],
  ['SELECT 1 AS a INTO t', 'select_into', 'control', 'public.t'],
  ['CREATE MATERIALIZED VIEW m AS SELECT 1', 'create_materialized_view', 'control', 'public.m'],
  ['EXPLAIN SELECT id FROM accounts', 'explain', 'read', 'public.accounts'],
  ['EXPLAIN ANALYZE DELETE FROM transfers', 'explain_analyze', 'destroy', 'public.transfers'],
  ['PREPARE p AS SELECT id FROM accounts', 'prepare', 'discover', 'public.accounts'],
  ['EXECUTE p', 'execute', 'control'],
  ['DEALLOCATE p', 'deallocate', 'control'],
  ['DECLARE c CURSOR FOR SELECT id FROM accounts', 'declare_cursor', 'read', 'public.accounts'],
  ['FETCH c', 'fetch', 'control'],
  ['CLOSE c', 'close', 'control'],
  ['DISCARD TEMP', 'discard', 'control'],
  ['BEGIN', 'begin', 'control'],
  [`PREPARE TRANSACTION 'x'`, 'prepare_transaction', 'control'],
  [`COMMIT PREPARED 'x'`, 'commit_prepared', 'control'],
  [`ROLLBACK PREPARED 'x'`, 'rollback_prepared', 'control'],
  ['SET work_mem = 1', 'set', 'control'],
  ['SHOW work_mem', 'show', 'discover'],
  ['DO $$ BEGIN END $$', 'do', 'control'],
  ['CALL bank.close_account(1)', 'call', 'control', 'bank.close_account'],
  [`LOAD 'x'`, 'load', 'control'],
  ['CREATE TABLE t (id int REFERENCES accounts)', 'create_table', 'control', 'public.t'],
  ['CREATE TABLE t (LIKE customers)', 'create_table', 'control', 'public.customers'],
  ['CREATE FOREIGN TABLE f (id int) SERVER s', 'create_foreign_table', 'control', 's'],
  ['CREATE VIEW bank.v AS SELECT id FROM accounts', 'create_view', 'control', 'bank.v'],
  ['CREATE INDEX ON customers (ssn)', 'create_index', 'control', 'public.customers'],
  ['CREATE SEQUENCE q', 'create_sequence', 'control', 'public.q'],
  ['CREATE SCHEMA s', 'create_schema', 'control', 's'],
  ['CREATE TRIGGER t AFTER INSERT ON events EXECUTE FUNCTION bank.f()', 'create_trigger', 'control', 'public.events'],
  ['CREATE RULE r AS ON INSERT TO events DO NOTHING', 'create_rule', 'control', 'public.events'],
  ['CREATE POLICY p ON events USING (true)', 'create_policy', 'control', 'public.events'],
  ['CREATE STATISTICS s ON id, amount FROM transfers', 'create_statistics', 'control', 's'],
  [`CREATE FUNCTION bank.f() RETURNS int LANGUAGE sql AS 'x'`, 'create_function', 'control', 'bank.f'],
  [`CREATE PROCEDURE f() LANGUAGE sql AS 'x'`, 'create_function', 'control', 'f'],
  ['CREATE DOMAIN d AS int', 'create_domain', 'control', 'd'],
  [`CREATE TYPE e AS ENUM ('a')`, 'create_type', 'control', 'e'],
  ['CREATE TYPE r AS RANGE (SUBTYPE = int)', 'create_type', 'control', 'r'],
  ['CREATE TYPE c AS (a int)', 'create_type', 'control', 'public.c'],
  ['CREATE AGGREGATE a(int) (SFUNC = f, STYPE = int)', 'create_aggregate', 'control', 'a'],
  ['CREATE OPERATOR bank.=== (FUNCTION = f)', 'create_operator', 'control', 'bank.==='],
  ['CREATE CAST (int AS text) WITH FUNCTION f(int)', 'create_cast', 'control'],
  [`CREATE CONVERSION c FOR 'UTF8' TO 'LATIN1' FROM f`, 'create_conversion', 'control', 'c'],
  ['CREATE TRANSFORM FOR int LANGUAGE l (FROM SQL WITH FUNCTION f(int))', 'create_transform', 'control', 'l'],
  ['CREATE OPERATOR CLASS o FOR TYPE int USING btree AS STORAGE int', 'create_operator_class', 'control', 'o'],
  ['CREATE OPERATOR FAMILY o USING btree', 'create_operator_family', 'control', 'o'],
  ['CREATE ACCESS METHOD a TYPE INDEX HANDLER h', 'create_access_method', 'control', 'a'],
  ['CREATE LANGUAGE l HANDLER h', 'create_language', 'control', 'l'],
  ['CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()', 'create_event_trigger', 'control', 'e'],
  ['CREATE EXTENSION dblink', 'create_extension', 'control', 'dblink'],
  ['CREATE FOREIGN DATA WRAPPER w', 'create_foreign_data_wrapper', 'control', 'w'],
  ['CREATE SERVER s FOREIGN DATA WRAPPER w', 'create_server', 'control', 's'],
  ['CREATE USER MAPPING FOR u SERVER s', 'create_user_mapping', 'control', 's'],
  ['IMPORT FOREIGN SCHEMA a FROM SERVER s INTO b', 'import_foreign_schema', 'control', 's'],
  ['CREATE PUBLICATION p FOR TABLE accounts', 'create_publication', 'control', 'public.accounts'],
  [`CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p`, 'create_subscription', 'control', 's'],
  ['CREATE ROLE r', 'create_role', 'control', 'r'],
  [`CREATE TABLESPACE t LOCATION '/x'`, 'create_tablespace', 'control', 't'],
  ['CREATE DATABASE d', 'create_database', 'control', 'd'],
  ['ALTER TABLE accounts ADD x int', 'alter_table', 'control', 'public.accounts'],
  ['ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b', 'alter_table', 'control', 'a'],
  ['ALTER SEQUENCE transfers_id_seq RESTART', 'alter_sequence', 'control', 'public.transfers_id_seq'],
  ['ALTER POLICY p ON events USING (true)', 'alter_policy', 'control', 'public.events'],
  ['ALTER STATISTICS s SET STATISTICS 1', 'alter_statistics', 'control', 's'],
  ['ALTER FUNCTION bank.f() STABLE', 'alter_function', 'control', 'bank.f'],
  ['ALTER DOMAIN d SET NOT NULL', 'alter_domain', 'control', 'd'],
  [`ALTER TYPE e ADD VALUE 'b'`, 'alter_type', 'control', 'e'],
  ['ALTER TYPE t SET (STORAGE = plain)', 'alter_type', 'control', 't'],
  ['ALTER COLLATION "C" REFRESH VERSION', 'alter_collation', 'control', 'C'],
  ['ALTER OPERATOR = (int, int) SET (RESTRICT = NONE)', 'alter_operator', 'control', '='],
  ['ALTER OPERATOR FAMILY o USING btree DROP FUNCTION 1 (int)', 'alter_operator_family', 'control', 'o'],
  ['ALTER EVENT TRIGGER e DISABLE', 'alter_event_trigger', 'control', 'e'],
  ['ALTER EXTENSION x UPDATE', 'alter_extension', 'control', 'x'],
  ['ALTER EXTENSION x ADD TABLE accounts', 'alter_extension', 'control', 'x'],
  ['ALTER FOREIGN DATA WRAPPER w NO HANDLER', 'alter_foreign_data_wrapper', 'control', 'w'],
  [`ALTER SERVER s VERSION 'x'`, 'alter_server', 'control', 's'],
  [`ALTER USER MAPPING FOR u SERVER s OPTIONS (SET a 'b')`, 'alter_user_mapping', 'control', 's'],
  ['ALTER PUBLICATION p ADD TABLE accounts', 'alter_publication', 'control', 'p'],
  ['ALTER SUBSCRIPTION s DISABLE', 'alter_subscription', 'control', 's'],
  [`ALTER TEXT SEARCH DICTIONARY d (a = 'b')`, 'alter_text_search', 'control', 'd'],
  ['ALTER TEXT SEARCH CONFIGURATION c DROP MAPPING FOR word', 'alter_text_search', 'control', 'c'],
  ['ALTER FUNCTION f() DEPENDS ON EXTENSION x', 'alter_depends', 'control', 'f'],
  ['ALTER TABLE accounts SET SCHEMA bank', 'alter_schema_of', 'control', 'public.accounts'],
  ['ALTER SCHEMA s OWNER TO u', 'alter_owner', 'control', 's'],
  ['ALTER TABLE customers RENAME ssn TO name2', 'rename', 'control', 'public.customers'],
  ['ALTER ROLE r LOGIN', 'alter_role', 'control', 'r'],
  ['ALTER ROLE r SET work_mem = 1', 'alter_role', 'control', 'r'],
  ['ALTER DATABASE d CONNECTION LIMIT 1', 'alter_database', 'control', 'd'],
  ['ALTER DATABASE d SET work_mem = 1', 'alter_database', 'control', 'd'],
  ['ALTER DATABASE d REFRESH COLLATION VERSION', 'alter_database', 'control', 'd'],
  ['ALTER TABLESPACE t SET (seq_page_cost = 1)', 'alter_tablespace', 'control', 't'],
  ['ALTER SYSTEM SET work_mem = 1', 'alter_system', 'control'],
  ['GRANT SELECT ON accounts TO u', 'grant', 'control', 'public.accounts'],
  ['GRANT r TO u', 'grant_role', 'control', 'r'],
  ['ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO u', 'alter_default_privileges', 'control'],
  ['REASSIGN OWNED BY r TO u', 'reassign_owned', 'control', 'r'],
  [`COMMENT ON COLUMN customers.ssn IS 'x'`, 'comment', 'control', 'public.customers'],
  [`SECURITY LABEL ON TABLE accounts IS 'x'`, 'security_label', 'control', 'public.accounts'],
  ['DROP TABLE accounts', 'drop_table', 'destroy', 'public.accounts'],
  ['DROP TRIGGER t ON events', 'drop_trigger', 'destroy', 'public.events'],
  ['DROP FUNCTION bank.f(int)', 'drop_function', 'destroy', 'bank.f'],
  ['DROP OWNED BY r', 'drop_owned', 'destroy', 'r'],
  ['DROP ROLE r', 'drop_role', 'destroy', 'r'],
  ['DROP TABLESPACE t', 'drop_tablespace', 'destroy', 't'],
  ['DROP USER MAPPING FOR u SERVER s', 'drop_user_mapping', 'destroy', 's'],
  ['DROP SUBSCRIPTION s', 'drop_subscription', 'destroy', 's'],
  ['DROP DATABASE d', 'drop_database', 'destroy', 'd'],
  ['TRUNCATE events, accounts', 'truncate', 'destroy', 'public.accounts'],
  ['REFRESH MATERIALIZED VIEW customer_mv', 'refresh_materialized_view', 'control', 'public.customer_mv'],
  ['LOCK accounts', 'lock', 'control', 'public.accounts'],
  ['VACUUM accounts', 'vacuum', 'control', 'public.accounts'],
  ['ANALYZE accounts', 'analyze', 'control', 'public.accounts'],
  ['CLUSTER accounts', 'cluster', 'control', 'public.accounts'],
  ['REINDEX TABLE accounts', 'reindex', 'control', 'public.accounts'],
  ['CHECKPOINT', 'checkpoint', 'control'],
  ['SET CONSTRAINTS ALL DEFERRED', 'set_constraints', 'control'],
  ['LISTEN c', 'listen', 'control', 'c'],
  ['UNLISTEN c', 'unlisten', 'control', 'c'],
  [`NOTIFY c, 'x'`, 'notify', 'control', 'c'],
]

/** Every statement node that libpg-query can give, as its own declarations list them. */
function declaredStatements(): readonly string[] {
  const parserHome = createRequire(import.meta.resolve('libpg-query'))
  const file = join(dirname(parserHome.resolve('@pgsql/types')), 'types.d.ts')
  const [, union = ''] = /export type Node = ([^;]+;[^]*?)\n\};/.exec(readFileSync(file, 'utf8')) ?? []
  return [...union.matchAll(/^ {4}(\w+Stmt):/gm)].map(([, name]) => name ?? '')
}

describe('statements', () => {
  test('every node of the grammar that is a statement stands in the table', () => {
    const declared = declaredStatements()
    expect(declared.length).toBeGreaterThan(110)
    expect(Object.keys(STATEMENTS).toSorted()).toEqual([...declared].toSorted())
  })

  test('every one that can stand alone has an example here', async () => {
    const seen = new Set<string>()
    for (const [sql] of EXAMPLES) for (const { node } of await parser.parse(sql)) seen.add(Object.keys(node)[0] ?? '')
    const alone = Object.entries(STATEMENTS).filter(([, entry]) => entry !== 'inner')
    expect(alone.map(([name]) => name).filter((name) => !seen.has(name))).toEqual([])
  })

  test.each(EXAMPLES.map((example) => [example[0], example] as const))('%s', async (sql, example) => {
    const [, kind, actionClass, about] = example
    const statement = await normalizeOne(parser, catalog, sql)
    expect(statement).toMatchObject({ kind, action: { name: `postgres.${kind}`, class: actionClass } })
    expect(statement.kind).toMatch(/^[a-z_]+$/)
    expect(statement.resources.map(({ name }) => name)).toEqual(
      expect.arrayContaining(about === undefined ? [] : [about]),
    )
  })
})
