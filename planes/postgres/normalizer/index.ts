/** SQL text → what it does: the normalizer's surface. */
export { accessParts } from './access-parts.ts'
export { integersDecideNothing, withoutIntegers } from './alike.ts'
export { Catalog } from './catalog.ts'
export { ownCatalog } from './own-catalog.ts'
export {
  type Carried,
  type Carry,
  joined,
  type Lineage,
  type OwnChange,
  type OwnNames,
  type OwnRelation,
  type Root,
} from './own-relation.ts'
export { parsePath } from './search-path.ts'
export { CATALOG_TEXTS, type CatalogSource } from './catalog-rows.ts'
export type {
  CopyForm,
  CopyOut,
  NormalizedResource,
  NormalizedStatement,
  Opaque,
  OutputColumn,
  SessionEffect,
} from './normalized.ts'
export { SqlParser, type SqlParserOptions } from './parser.ts'
export { referencesOf } from './references.ts'
export type { SessionNames } from './named-statement.ts'
export type { ParsedStatement } from './script.ts'
export { normalizeStatement } from './statement.ts'
