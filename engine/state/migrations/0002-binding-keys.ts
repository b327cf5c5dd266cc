import type { SchemaModule } from 'kysely'

/** The key under which requests are bound to their approvals. */
export async function up({ schema }: { readonly schema: SchemaModule }): Promise<void> {
  await schema
    .createTable('binding_keys')
    .addColumn('number', 'integer', (column) => column.primaryKey())
    .addColumn('key', 'text', (column) => column.notNull())
    .execute()
}
