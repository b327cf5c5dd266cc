/** SQL text → what it does: the normalizer's surface. */
export { accessParts } from './access-parts.ts'
export { integersDecideNothing, withoutIntegers } from './alike.ts'
export { Catalog } from './catalog.ts'
export { CATALOG_TEXTS, type CatalogSource } from './catalog-rows.ts'
export type { CopyForm } from './copy-form.ts'
export type { CopyOut, NormalizedResource, NormalizedStatement, OutputColumn } from './normalized.ts'
export { SqlParser, type SqlParserOptions } from './parser.ts'
export { normalizeStatement } from './statement.ts'
