import { beforeAll, describe, expect, test } from 'vitest'
import { ALLOWED_FUNCTIONS, isAllowedFunction } from '../../../../planes/postgres/normalizer/functions.ts'
import type { Catalog } from '../../../../planes/postgres/normalizer/index.ts'
import { bankCatalog } from '../../../golden/postgres/bank-catalog.ts'

let catalog: Catalog

beforeAll(async () => {
  catalog = await bankCatalog()
})

/** Families of built-ins that read by name or query in a string, change something, wait, or leave the database. */
const DANGEROUS: readonly RegExp[] = [
  /_to_xml/,
  /^xmlvalidate$|^table_to|^schema_to|^database_to|^cursor_to|^query_to/,
  /^ts_stat$|^ts_rewrite$/,
  /^lo_|^lo(?:read|write)$|largeobject/,
  /^pg_read_|^pg_ls_|^pg_stat_file$|^pg_file_|hba_file|ident_file|show_all_file/,
  /^set_config$|^current_setting$|^pg_show_all_settings$|^pg_settings/,
  /^(?:next|curr|last|set)val$|^pg_get_sequence_data$/,
  /advisory/,
  /^pg_sleep|^pg_notify$|^pg_listening|^pg_notification/,
  /^pg_cancel|^pg_terminate|^pg_reload|^pg_rotate|^pg_promote|^pg_switch|^pg_log_|current_logfile|standby/,
  /^pg_stat_|^pg_stats|^pg_statio|^pg_restore_|^pg_clear_/,
  /replication|logical|wal|snapshot|backup|subscription|slot/,
  /^txid_current$|^pg_current_xact_id$|^setseed$/,
  /^binary_upgrade|^pg_extension_config|^pg_import|^pg_nextoid|^pg_event_trigger|^pg_control/,
  /^brin_|^gin_clean/,
  /^RI_FKey|^suppress_redundant|_trigger$|^tsvector_update/,
  /^pg_prepared|^pg_cursor|^pg_lock|^pg_blocking|^pg_safe_snapshot|^pg_isolation/,
]

describe('dangerous built-ins are not on the list', () => {
  const families = DANGEROUS.map((family) => [String(family), family] as const)
  test.each(families)('%s', (_, family) => {
    expect([...ALLOWED_FUNCTIONS].filter((name) => family.test(name))).toEqual([])
  })

  test.each(['dblink', 'query_to_xml', 'pg_read_file', 'lo_import', 'set_config', 'pg_notify', 'current_setting'])(
    '%s by name',
    (name) => {
      expect(isAllowedFunction('pg_catalog', name)).toBe(false)
    },
  )
})

test('a name on the list is allowed in its own schema alone', () => {
  expect(isAllowedFunction('pg_catalog', 'upper')).toBe(true)
  expect(isAllowedFunction('public', 'upper')).toBe(false)
  expect(isAllowedFunction('information_schema', 'upper')).toBe(false)
  expect(isAllowedFunction('information_schema', '_pg_expandarray')).toBe(true)
  expect(isAllowedFunction('pg_catalog', '_pg_expandarray')).toBe(false)
})

test('every name on the list is a function of the server', () => {
  expect([...ALLOWED_FUNCTIONS].filter((name) => catalog.function('pg_catalog', name) === undefined)).toEqual([])
})
