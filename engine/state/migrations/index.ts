import type { SchemaModule } from 'kysely'
import { up as approvals } from './0001-approvals.ts'
import { up as bindingKeys } from './0002-binding-keys.ts'
import { up as claims } from './0003-claims.ts'
import { up as policies } from './0004-policies.ts'
import { up as identity } from './0005-identity.ts'
import { up as grants } from './0006-grants.ts'
import { up as notices } from './0007-notices.ts'

/** A step of the schema, run once, in a transaction. */
export type Migration = (database: { readonly schema: SchemaModule }) => Promise<void>

/** In order, numbered from 1. A released one is never changed; a mistake in it is put right by the next. */
export const migrations: readonly Migration[] = [approvals, bindingKeys, claims, policies, identity, grants, notices]
