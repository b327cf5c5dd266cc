import type { SchemaModule } from 'kysely'

/** Which credentials are no longer believed, and which assertions have been used. */
export async function up({ schema }: { readonly schema: SchemaModule }): Promise<void> {
  await schema
    .createTable('revocations')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('document', 'text', (column) => column.notNull())
    .execute()
  await schema
    .createTable('revocation_versions')
    .addColumn('number', 'integer', (column) => column.primaryKey())
    .addColumn('version', 'bigint', (column) => column.notNull())
    .execute()
  await schema
    .createTable('used_assertions')
    .addColumn('digest', 'text', (column) => column.primaryKey())
    .addColumn('forget_at', 'bigint', (column) => column.notNull())
    .execute()
}
