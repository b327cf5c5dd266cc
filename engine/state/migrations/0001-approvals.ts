import { sql, type SchemaModule } from 'kysely'

/** Holds and their answers. */
export async function up({ schema }: { readonly schema: SchemaModule }): Promise<void> {
  await schema
    .createTable('approvals')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('digest', 'text', (column) => column.notNull())
    .addColumn('policy_digest', 'text', (column) => column.notNull())
    .addColumn('requester_id', 'text', (column) => column.notNull())
    .addColumn('requester_issuer', 'text', (column) => column.notNull())
    .addColumn('requested_at', 'bigint', (column) => column.notNull())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .execute()
  // At most one hold for one request can be open: a client that reconnects finds it, and two can't both be granted.
  await schema
    .createIndex('approvals_open')
    .unique()
    .on('approvals')
    .columns(['digest', 'requester_id', 'requester_issuer', 'policy_digest'])
    .where(sql.ref('state'), 'in', [sql.lit('requested'), sql.lit('granted')])
    .execute()
  await schema.createIndex('approvals_by_state').on('approvals').columns(['state', 'expires_at']).execute()
}
