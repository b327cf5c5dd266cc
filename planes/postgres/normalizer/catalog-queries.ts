/** In the order they are read. */
export const CATALOG_SECTIONS = [
  'namespaces',
  'relations',
  'columns',
  'types',
  'inherits',
  'triggers',
  'references',
  'rules',
  'functions',
  'operators',
  'casts',
] as const
export type CatalogSection = (typeof CATALOG_SECTIONS)[number]

/**
 * What a catalogue snapshot is made of: one query a section, each row the text form of its columns. Run in one read-only
 * transaction with an empty search_path, so that deparsed text (views, generated columns) qualifies every name.
 * Works on PostgreSQL 14 and later. User objects are those with OIDs from 16384 (FirstNormalObjectId) on.
 */
export const CATALOG_QUERIES: Readonly<Record<CatalogSection, string>> = {
  namespaces: `SELECT nspname FROM pg_catalog.pg_namespace
    WHERE nspname NOT LIKE 'pg\\_temp\\_%' AND nspname NOT LIKE 'pg\\_toast%' ORDER BY 1`,
  relations: `SELECT c.oid, n.nspname, c.relname, c.relkind, c.reltype, c.relrowsecurity,
      CASE WHEN c.relkind = 'v' AND c.oid >= 16384 THEN pg_catalog.pg_get_viewdef(c.oid) END
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r','p','v','m','f','S','c') AND c.relpersistence <> 't' AND n.nspname NOT LIKE 'pg\\_toast%' ORDER BY 1`,
  columns: `SELECT a.attrelid, a.attnum, a.attname, a.atttypid,
      CASE WHEN a.attgenerated <> '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r','p','v','m','f','S','c')
      AND c.relpersistence <> 't' AND n.nspname NOT LIKE 'pg\\_toast%' ORDER BY 1, 2`,
  types: `SELECT t.oid, n.nspname, t.typname, t.typtype, t.typrelid,
      CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE t.typbasetype END
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp\\_%' ORDER BY 1`,
  inherits: `SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits ORDER BY 1, inhseqno`,
  triggers: `SELECT t.tgrelid, t.tgname, n.nspname, p.proname
    FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE NOT t.tgisinternal ORDER BY 1, 2`,
  references: `SELECT confrelid, conrelid, conname, confdeltype, confupdtype,
      pg_catalog.array_to_string(confkey, ','), pg_catalog.array_to_string(conkey, ',')
    FROM pg_catalog.pg_constraint
    WHERE contype = 'f' AND (confdeltype IN ('c','n','d') OR confupdtype IN ('c','n','d')) ORDER BY 1, 2, 3`,
  rules: `SELECT DISTINCT r.ev_class FROM pg_catalog.pg_rewrite r
    JOIN pg_catalog.pg_class c ON c.oid = r.ev_class WHERE r.rulename <> '_RETURN' AND c.oid >= 16384 ORDER BY 1`,
  functions: `SELECT n.nspname, p.proname, pg_catalog.bool_or(p.provolatile = 'v'),
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
    WHERE n.nspname NOT LIKE 'pg\\_temp\\_%' GROUP BY 1, 2 ORDER BY 1, 2`,
  operators: `SELECT n.nspname, o.oprname, pg_catalog.bool_and(o.oid < 16384 OR l.lanname IN ('internal', 'c'))
    FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
    LEFT JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode LEFT JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    GROUP BY 1, 2 ORDER BY 1, 2`,
  casts: `SELECT c.castsource, c.casttarget FROM pg_catalog.pg_cast c JOIN pg_catalog.pg_proc p ON p.oid = c.castfunc
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE c.oid >= 16384 AND l.lanname NOT IN ('internal', 'c') ORDER BY 1, 2`,
}
