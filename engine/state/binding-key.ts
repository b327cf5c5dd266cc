import { randomBytes } from 'node:crypto'
import { StateError } from '../errors.ts'
import type { Database } from './database.ts'

/**
 * The key of this store's request digests, 32 bytes: made once, the same for every gateway on one store and over restarts.
 * A store that is lost takes it along: what was asked before then has to be asked again, and nothing is released by it.
 */
export async function bindingKey(database: Database): Promise<Uint8Array> {
  const fresh = { number: 1, key: randomBytes(32).toString('hex') }
  await database
    .insertInto('binding_keys')
    .values(fresh)
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  const row = await database.selectFrom('binding_keys').select('key').where('number', '=', 1).executeTakeFirstOrThrow()
  const key = Buffer.from(row.key, 'hex')
  if (key.length === 32) return key
  const message = `the state database's binding_keys: expected 64 hex digits; found ${row.key.length} characters; delete the row and start again`
  throw new StateError('ERR_STATE_OPEN', message)
}
