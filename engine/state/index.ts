/** Where the gateway keeps what is not evidence. */
export { bindingKey } from './binding-key.ts'
export { openDatabase, type Database } from './database.ts'
export type { ApprovalRow } from './tables.ts'
export type { PostgresPlace } from './postgres.ts'
