/** Where the gateway keeps what is not evidence. */
export { openDatabase, type ApprovalRow, type Database } from './database.ts'
