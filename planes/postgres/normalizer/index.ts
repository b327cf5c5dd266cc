/** SQL text → what it does: the normalizer's surface. */
export { accessParts } from './access-parts.ts'
export { Catalog, type ColumnSource } from './catalog.ts'
export type { CatalogSource } from './catalog-rows.ts'
export type { WrittenValue } from './findings.ts'
export type {
  NormalizedPart,
  NormalizedResource,
  NormalizedStatement,
  OutputColumn,
  ParameterUse,
  SessionEffect,
  Setting,
} from './normalized.ts'
export { SqlParser, type SqlParserOptions } from './parser.ts'
export type { ParsedStatement } from './script.ts'
export { normalizeStatement, type SessionNames } from './statement.ts'
