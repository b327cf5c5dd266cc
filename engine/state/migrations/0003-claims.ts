import type { SchemaModule } from 'kysely'

/** Who is changing an approval just now: what is on its way into evidence, and not in the row yet. */
export async function up({ schema }: { readonly schema: SchemaModule }): Promise<void> {
  await schema.alterTable('approvals').addColumn('changing', 'text').execute()
}
