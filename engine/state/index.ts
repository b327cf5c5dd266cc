/** Where the gateway keeps what is not evidence. */
export { openDatabase, type Database } from './database.ts'
export type { ApprovalRow } from './tables.ts'
