import { describe, expect, test } from 'vitest'
import { readStartup } from '../../../../planes/postgres/session/startup-parameters.ts'

const read = (extra: Record<string, string>) => readStartup(new Map(Object.entries({ user: 'reconciler', ...extra })))

describe('startup parameters', () => {
  test.each([
    ['role', { role: 'postgres' }],
    ['session_authorization', { session_authorization: 'postgres' }],
    ['search_path', { search_path: 'private' }],
    ['SEARCH_PATH in capitals', { SEARCH_PATH: 'private' }],
    ['standard_conforming_strings', { standard_conforming_strings: 'off' }],
    ['replication', { replication: 'database' }],
    ['replication as true', { replication: 'true' }],
    ['another encoding', { client_encoding: 'SQL_ASCII' }],
    ['an encoding that only begins like UTF8', { client_encoding: 'UTF8,LATIN1' }],
    ['a setting nobody knows', { 'acme.flag': 'on' }],
    ['session_preload_libraries', { session_preload_libraries: 'x' }],
    ['search_path in options', { options: '-c search_path=private' }],
    ['search_path in options, joined', { options: '-csearch_path=private' }],
    ['search_path in options, long form', { options: '--search-path=private' }],
    ['search_path behind an escaped space', { options: String.raw`-c TimeZone=a\ b -c search_path=private` }],
    ['a server switch in options', { options: '-O' }],
    ['a switch that swallows the next word', { options: '-d 5' }],
  ])('%s is refused', (_, parameters) => {
    expect(() => read(parameters)).toThrow(expect.objectContaining({ code: 'ERR_PROTOCOL_STARTUP' }))
  })

  test('no user is refused', () => {
    expect(() => readStartup(new Map([['database', 'bank']]))).toThrow('no user name was given')
  })

  test('an error never repeats a name that is not a plain one', () => {
    expect(() => read({ 'x"; secret\n': '1' })).toThrow('the setting with that name may not be given at connection')
  })

  test('harmless settings go up, pinned ones are ours, the database defaults to the user', () => {
    const { database, settings } = read({
      application_name: 'recon',
      client_encoding: "'utf-8'",
      options: String.raw`-c DateStyle=ISO,\ DMY --statement-timeout=5s`,
    })
    expect(database).toBe('reconciler')
    expect(Object.fromEntries(settings)).toEqual({
      application_name: 'recon',
      datestyle: 'ISO, DMY',
      statement_timeout: '5s',
      client_encoding: 'UTF8',
      search_path: '"$user", public',
      standard_conforming_strings: 'on',
    })
  })
})
