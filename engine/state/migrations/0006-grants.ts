import type { SchemaModule } from 'kysely'

/** Grants stand among the holds: asked for and answered alike, but used for a time. */
export async function up({ schema }: { readonly schema: SchemaModule }): Promise<void> {
  await schema
    .alterTable('approvals')
    .addColumn('kind', 'text', (column) => column.notNull().defaultTo('hold'))
    .execute()
  await schema.alterTable('approvals').addColumn('review_due', 'bigint').execute()
  await schema.createIndex('approvals_by_kind').on('approvals').columns(['kind', 'state']).execute()
}
