/** Where most rows are the server's own. */
export type BuiltinSection = 'relations' | 'columns' | 'types' | 'functions' | 'operators'
export type CatalogSection = BuiltinSection | 'namespaces' | 'inherits' | 'triggers' | 'references' | 'rules' | 'casts'

/** FirstNormalObjectId of access/transam.h: below it is what initdb made. */
export const FIRST_USER_OID = 16384

type Whose = 'builtin' | 'users'
const own = (oid: string, whose: Whose): string => `${oid} ${whose === 'builtin' ? '<' : '>='} ${FIRST_USER_OID}`

const relations = (whose: Whose): string => `SELECT c.oid, n.nspname, c.relname, c.relkind, c.reltype, c.relrowsecurity,
      CASE WHEN c.relkind = 'v' AND c.oid >= ${FIRST_USER_OID} THEN pg_catalog.pg_get_viewdef(c.oid) END
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r','p','v','m','f','S','c') AND c.relpersistence <> 't' AND n.nspname NOT LIKE 'pg\\_toast%'
      AND ${own('c.oid', whose)} ORDER BY 1`

const columns = (whose: Whose): string => `SELECT a.attrelid, a.attnum, a.attname, a.atttypid,
      CASE WHEN a.attgenerated <> '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r','p','v','m','f','S','c')
      AND c.relpersistence <> 't' AND n.nspname NOT LIKE 'pg\\_toast%' AND ${own('a.attrelid', whose)} ORDER BY 1, 2`

const types = (whose: Whose): string => `SELECT t.oid, n.nspname, t.typname, t.typtype, t.typrelid,
      CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE t.typbasetype END
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp\\_%' AND ${own('t.oid', whose)} ORDER BY 1`

const functions = (whose: Whose): string => `SELECT n.nspname, p.proname, pg_catalog.bool_or(p.provolatile = 'v'),
      CASE WHEN pg_catalog.count(DISTINCT p.proargnames IS NULL) = 1
        AND pg_catalog.count(DISTINCT (SELECT pg_catalog.array_agg(x.name ORDER BY x.n)
          FROM ROWS FROM (pg_catalog.unnest(p.proargnames), pg_catalog.unnest(p.proargmodes))
            WITH ORDINALITY x(name, mode, n) WHERE x.mode IN ('o','b','t'))) = 1
        THEN pg_catalog.min((SELECT pg_catalog.string_agg(x.name, ',' ORDER BY x.n)
          FROM ROWS FROM (pg_catalog.unnest(p.proargnames), pg_catalog.unnest(p.proargmodes))
            WITH ORDINALITY x(name, mode, n) WHERE x.mode IN ('o','b','t'))) END,
      CASE WHEN pg_catalog.bool_or(t.typtype = 'c') THEN 'composite'
        WHEN pg_catalog.bool_or(p.prorettype = 2249) THEN 'record' ELSE 'scalar' END
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_catalog.pg_type t ON t.oid = p.prorettype
    WHERE n.nspname NOT LIKE 'pg\\_temp\\_%' AND ${own('p.oid', whose)} GROUP BY 1, 2 ORDER BY 1, 2`

const operators = (whose: Whose): string => `SELECT n.nspname, o.oprname,
      pg_catalog.bool_and(o.oid < ${FIRST_USER_OID} OR l.lanname IN ('internal', 'c'))
    FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
    LEFT JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode LEFT JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE ${own('o.oid', whose)} GROUP BY 1, 2 ORDER BY 1, 2`

/**
 * What a catalogue snapshot is made of: one query a section, each row the text form of its columns. Run in one read-only
 * transaction with an empty search_path, so that deparsed text (views, generated columns) qualifies every name.
 * Works on PostgreSQL 14 and later. Of the built-in sections these are the users' rows alone.
 */
export const CATALOG_QUERIES: Readonly<Record<CatalogSection, string>> = {
  namespaces: `SELECT nspname FROM pg_catalog.pg_namespace
    WHERE nspname NOT LIKE 'pg\\_temp\\_%' AND nspname NOT LIKE 'pg\\_toast%' ORDER BY 1`,
  relations: relations('users'),
  columns: columns('users'),
  types: types('users'),
  inherits: `SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits ORDER BY 1, inhseqno`,
  triggers: `SELECT t.tgrelid, t.tgname, n.nspname, p.proname
    FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE NOT t.tgisinternal ORDER BY 1, 2`,
  references: `SELECT confrelid, conrelid, conname, confdeltype, confupdtype,
      pg_catalog.array_to_string(confkey, ','), pg_catalog.array_to_string(conkey, ',')
    FROM pg_catalog.pg_constraint
    WHERE contype = 'f' AND (confdeltype IN ('c','n','d') OR confupdtype IN ('c','n','d')) ORDER BY 1, 2, 3`,
  rules: `SELECT DISTINCT r.ev_class FROM pg_catalog.pg_rewrite r
    JOIN pg_catalog.pg_class c ON c.oid = r.ev_class WHERE r.rulename <> '_RETURN' AND c.oid >= ${FIRST_USER_OID} ORDER BY 1`,
  functions: functions('users'),
  operators: operators('users'),
  casts: `SELECT c.castsource, c.casttarget FROM pg_catalog.pg_cast c JOIN pg_catalog.pg_proc p ON p.oid = c.castfunc
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE c.oid >= ${FIRST_USER_OID} AND l.lanname NOT IN ('internal', 'c') ORDER BY 1, 2`,
}

/** The server's own rows, a hundred times as many as most databases add. */
export const BUILTIN_QUERIES: Readonly<Record<BuiltinSection, string>> = {
  relations: relations('builtin'),
  columns: columns('builtin'),
  types: types('builtin'),
  functions: functions('builtin'),
  operators: operators('builtin'),
}

/** A sum over the versions of the rows that BUILTIN_QUERIES read: it stays as long as nobody changes one of them. */
export const BUILTIN_STATE: string = `SELECT ${[
  ['pg_namespace', 'oid', ''],
  ['pg_class', 'oid', ''],
  ['pg_attribute', 'attrelid', 'attnum, '],
  ['pg_type', 'oid', ''],
  ['pg_proc', 'oid', ''],
  ['pg_operator', 'oid', ''],
]
  .map(
    ([
      table,
      oid = '',
      more = '',
    ]) => `(SELECT pg_catalog.sum(pg_catalog.hash_record_extended(ROW(${oid}, ${more}xmin), 0))
    FROM pg_catalog.${table} WHERE ${own(oid, 'builtin')})`,
  )
  .join(', ')}`
