import type { SchemaModule } from 'kysely'

/** What is still to be told of approvals to other programs, and the links in it that are good for one time. */
export async function up({ schema }: { readonly schema: SchemaModule }): Promise<void> {
  await schema
    .createTable('approval_notices')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('endpoint', 'text', (column) => column.notNull())
    .addColumn('body', 'text', (column) => column.notNull())
    .addColumn('path', 'text', (column) => column.notNull())
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('next_at', 'bigint', (column) => column.notNull())
    .execute()
  await schema.createIndex('approval_notices_due').on('approval_notices').columns(['next_at']).execute()
  await schema
    .createTable('approval_links')
    .addColumn('digest', 'text', (column) => column.primaryKey())
    .addColumn('approval', 'text', (column) => column.notNull())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .addColumn('used_by', 'text')
    .execute()
}
