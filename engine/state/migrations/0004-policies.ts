import type { SchemaModule } from 'kysely'

/** Which policy is in force and how it came to be, the bundles themselves, and what a candidate would have decided. */
export async function up({ schema }: { readonly schema: SchemaModule }): Promise<void> {
  await schema
    .createTable('policy_lifecycle')
    .addColumn('number', 'integer', (column) => column.primaryKey())
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .addColumn('changing', 'text')
    .execute()
  await schema
    .createTable('policy_bundles')
    .addColumn('digest', 'text', (column) => column.primaryKey())
    .addColumn('archive', 'text', (column) => column.notNull())
    .execute()
  await schema
    .createTable('policy_files')
    .addColumn('instance', 'text', (column) => column.primaryKey())
    .addColumn('digest', 'text', (column) => column.notNull())
    .execute()
  await schema
    .createTable('policy_shadows')
    .addColumn('instance', 'text', (column) => column.notNull())
    .addColumn('digest', 'text', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('policy_shadows_key', ['instance', 'digest'])
    .execute()
  await schema
    .createTable('policy_candidates')
    .addColumn('number', 'integer', (column) => column.primaryKey())
    .addColumn('digest', 'text', (column) => column.notNull())
    .execute()
}
