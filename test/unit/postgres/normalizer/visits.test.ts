import { readFileSync } from 'node:fs'
import type { Node } from 'libpg-query'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Catalog, SqlParser } from '../../../../planes/postgres/normalizer/index.ts'
import { EMPTY_SCOPE } from '../../../../planes/postgres/normalizer/scope.ts'
import { childrenOf, COVERED_KINDS } from '../../../../planes/postgres/normalizer/shape.ts'
import { Walk } from '../../../../planes/postgres/normalizer/walk.ts'
import { bankCatalog } from '../../../golden/postgres/bank-catalog.ts'
import { NAMES } from '../../../golden/postgres/statements.ts'

let parser: SqlParser
let catalog: Catalog

beforeAll(async () => {
  parser = await SqlParser.open()
  catalog = await bankCatalog()
})
afterAll(() => parser.close())

/** One form each of what the tables of shapes cover. */
const FORMS = [
  `SELECT DISTINCT ON (a) a, ssn AS s, c.*, (c).b, (ARRAY[1,2])[1:2], $1::numeric(3,1), 'x' COLLATE "C", 1.5, true, B'1'
   FROM ONLY public.customers AS c(a, b), LATERAL (SELECT 1) l, generate_series(1, 2) WITH ORDINALITY g(n, o),
   json_to_record('{}') AS r(x int, y text COLLATE "C")
   WHERE NOT (a IS NULL OR (b = 'x') IS TRUE) AND a IN (1, 2) AND a BETWEEN 1 AND 2 AND b LIKE 'x' ESCAPE '!'`,
  `SELECT count(*) FILTER (WHERE id > 1), array_agg(DISTINCT id ORDER BY id), sum(id) OVER w, grouping(name),
   rank() OVER (PARTITION BY name ORDER BY id USING OPERATOR(pg_catalog.<) ROWS BETWEEN 1 PRECEDING AND 2 FOLLOWING),
   mode() WITHIN GROUP (ORDER BY id), make_interval(days => 10), concat(VARIADIC ARRAY[name])
   FROM customers GROUP BY GROUPING SETS ((id, name), ROLLUP (name), ()) HAVING count(*) > 1
   WINDOW w AS (PARTITION BY id) ORDER BY 1 LIMIT 5 OFFSET 1`,
  `SELECT CASE id WHEN 1 THEN 'a' ELSE 'b' END, coalesce(name, ''), greatest(1, id), CURRENT_DATE, ROW(1, name),
   EXISTS (SELECT 1), ARRAY(SELECT 1), id = ANY (SELECT 1), (id, name) = (SELECT 1, 'x'), nullif(id, 1),
   xmlelement(name a, xmlattributes(name AS b), id), xmlserialize(content '<a/>'::xml AS text), name IS JSON,
   JSON_OBJECT('a': name), JSON_ARRAY(id, name), JSON('{}'), JSON_SCALAR(id), JSON_SERIALIZE('{}' RETURNING text),
   JSON_VALUE(name::jsonb, '$.a' PASSING id AS b RETURNING int DEFAULT 1 ON EMPTY)
   FROM customers TABLESAMPLE bernoulli (10) REPEATABLE (1)`,
  `WITH RECURSIVE r(n) AS (VALUES (1), (2) UNION ALL SELECT n + 1 FROM r), m AS MATERIALIZED (TABLE accounts)
   SELECT x FROM (r JOIN m ON true) AS j(x, y) NATURAL JOIN events e LEFT JOIN accounts a ON a.id = e.id
   UNION SELECT id FROM m EXCEPT ALL SELECT id FROM m`,
  'SELECT * FROM events JOIN accounts USING (id) AS u FOR UPDATE OF events NOWAIT',
  `WITH w AS (SELECT 1 AS v) INSERT INTO transfers AS t (id, amount) SELECT 1, v FROM w
   ON CONFLICT (id) WHERE amount > 1 DO UPDATE SET (amount, status) = (SELECT 1, 'x'), id = excluded.id WHERE t.id > 1
   RETURNING WITH (OLD AS o, NEW AS n) o.id, n.amount`,
  `INSERT INTO transfers(id, status) VALUES (1, DEFAULT) ON CONFLICT (abs(id)) DO NOTHING`,
  `UPDATE transfers t SET (id) = ROW(1), amount = 2, status = 'x' FROM accounts a WHERE a.id = t.id RETURNING *`,
  `WITH RECURSIVE r AS (SELECT 1 AS n UNION SELECT n FROM r) SEARCH DEPTH FIRST BY n SET o
   CYCLE n SET c TO true DEFAULT false USING p
   MERGE INTO transfers t USING (SELECT id, o FROM r, accounts) s ON t.id = s.id
   WHEN MATCHED AND t.amount > 1 THEN UPDATE SET amount = 2, status = 'x' WHEN NOT MATCHED BY SOURCE THEN DELETE
   WHEN NOT MATCHED THEN INSERT (id, amount) VALUES (s.id, DEFAULT) RETURNING merge_action(), t.*`,
  `SELECT x.*, j.* FROM customers c, xmltable(XMLNAMESPACES('u' AS n), '/r' PASSING c.name COLUMNS s text PATH '@a' DEFAULT 'x',
   o FOR ORDINALITY) x, JSON_TABLE(c.name::jsonb, '$' AS p PASSING c.id AS i COLUMNS (a int PATH '$.a' DEFAULT 1 ON EMPTY,
   NESTED PATH '$.b' AS q COLUMNS (b text FORMAT JSON)) ERROR ON ERROR) j`,
  'DELETE FROM transfers WHERE CURRENT OF c',
  'DELETE FROM ONLY transfers t USING accounts a WHERE a.id = t.id RETURNING t.*',
]
const CLIENT_QUERIES = readFileSync(new URL('../../../golden/postgres/client-queries.sql', import.meta.url), 'utf8')

/** What tells nothing of values: what a literal says, types' modifiers, collations, operator classes, which rows are locked. */
const PASSED_OVER = new Set([
  'A_Const.sval',
  'TypeName.typmods',
  'TypeName.arrayBounds',
  'CollateClause.collname',
  'ColumnDef.collClause',
  'IndexElem.opclass',
  'IndexElem.collation',
  'LockingClause.lockedRels',
  'SelectStmt.lockingClause',
])

/** Kinds that say nothing but what they are. */
const PARTLESS = new Set(['MergeSupportFunc', 'CurrentOfExpr'])

/** Everything of a tree that the analysis looked into. */
function watched<T extends object>(node: T, seen: Set<object>): T {
  return new Proxy(node, {
    get(target, key, receiver): unknown {
      const value: unknown = Reflect.get(target, key, receiver)
      if (typeof value !== 'object' || value === null) return value
      seen.add(value)
      return watched(value, seen)
    },
  })
}

/** `Kind.field` of each child that nobody looked into. */
function unvisited(kind: string, body: object, seen: ReadonlySet<object>): readonly string[] {
  return Object.entries(body).flatMap(([field, value]: [string, unknown]) => {
    if (typeof value !== 'object' || value === null || PASSED_OVER.has(`${kind}.${field}`)) return []
    // BETWEEN's name is the grammar's own; the operators behind it are looked up by theirs.
    if (field === 'name' && 'kind' in body && /BETWEEN/.test(String(body.kind))) return []
    return childrenOf(kind, { [field]: value }).flatMap(([childKind, child]) =>
      seen.has(child) || PARTLESS.has(childKind)
        ? unvisited(childKind, child, seen)
        : [`${kind}.${field} (${childKind})`],
    )
  })
}

function* kindsOf(kind: string, body: object): Generator<string> {
  yield kind
  for (const [childKind, child] of childrenOf(kind, body)) yield* kindsOf(childKind, child)
}

async function statementsOf(script: string): Promise<readonly Node[]> {
  return (await parser.parse(script)).map(({ node }) => node)
}

const allForms = async (): Promise<readonly Node[]> => (await Promise.all(FORMS.map(statementsOf))).flat()

test('no child of a tree is passed over', async () => {
  const nodes = [...(await allForms()), ...(await statementsOf(CLIENT_QUERIES))]
  expect(nodes.length).toBeGreaterThan(110)
  for (const node of nodes) {
    const seen = new Set<object>()
    Walk.over(catalog, NAMES).query(watched(node, seen), EMPTY_SCOPE)
    const [[kind, body] = ['', {}]] = Object.entries(node)
    expect(unvisited(kind, body, seen)).toEqual([])
  }
})

test('a child that is passed over would be noticed', async () => {
  const [node] = await statementsOf('SELECT 1 FROM customers WHERE id = 1')
  if (node === undefined) throw new Error('nothing was parsed')
  const seen = new Set<object>()
  const tree = watched(node, seen)
  expect(tree).toHaveProperty('SelectStmt.targetList.0')
  const [[kind, body] = ['', {}]] = Object.entries(node)
  expect(unvisited(kind, body, seen)).toContain('SelectStmt.whereClause (A_Expr)')
})

test('the forms hold every kind that is covered', async () => {
  const nodes = await allForms()
  const found = new Set(
    nodes.flatMap((node) => Object.entries(node).flatMap(([kind, body]) => [...kindsOf(kind, body)])),
  )
  expect([...COVERED_KINDS].filter((kind) => !found.has(kind))).toEqual([])
})
