import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nameInSession, NO_NAMES } from '../../../../planes/postgres/naming.ts'
import { Catalog, type NormalizedStatement, SqlParser } from '../../../../planes/postgres/normalizer/index.ts'
import { SessionState } from '../../../../planes/postgres/session/session-state.ts'
import { OwnState } from '../../../../planes/postgres/own-state.ts'
import { bankCatalog, recordedSource } from '../../../golden/postgres/bank-catalog.ts'
import { outputsOf, usesOf } from '../../../golden/postgres/statements.ts'

let parser: SqlParser
let catalog: Catalog

beforeAll(async () => {
  parser = await SqlParser.open()
  catalog = await bankCatalog()
})
afterAll(() => parser.close())

/** A session at a server that does everything it is asked to. */
class Session {
  readonly own: OwnState
  #open = false

  constructor(own = new OwnState()) {
    this.own = own
  }

  /** One text, named and then done; what is told of its last statement. */
  async run(sql: string, base = catalog, erred = false): Promise<NormalizedStatement> {
    const statements = await this.name(sql, base)
    for (const { carries, effect } of statements) {
      this.own.carry(carries)
      this.own.done(effect)
      if (effect.kind === 'begin') this.#open = true
      if (effect.kind === 'commit' || effect.kind === 'rollback') this.#open = effect.chain
    }
    this.own.ready(this.#open ? 'T' : 'I', erred)
    const last = statements.at(-1)
    if (last === undefined) throw new Error('a statement was expected')
    return last
  }

  /** As it would be, were it run now. */
  async name(sql: string, base = catalog): Promise<readonly NormalizedStatement[]> {
    const ground = { catalog: base, database: 'bank', user: 'postgres' }
    return (await nameInSession(await parser.parse(sql), ground, { ...NO_NAMES, own: this.own }, parser)).statements
  }
}

async function after(...texts: readonly string[]): Promise<NormalizedStatement> {
  const session = new Session()
  let last: NormalizedStatement | undefined
  for (const sql of texts) last = await session.run(sql)
  if (last === undefined) throw new Error('a text was expected')
  return last
}

/** What may be said of a statement that hands out x: where it comes from, and whether that is known. */
function told(statement: NormalizedStatement): readonly string[] {
  return [...(outputsOf(statement) ?? []), ...statement.opaque.map(({ what }) => what)]
}

const SSN = 'public.customers.ssn'
const MADE = 'CREATE TEMP TABLE t AS SELECT ssn AS x, id FROM ONLY customers'

describe('what goes into a temporary table comes out of it as what it was', () => {
  test.each([
    [[MADE, 'SELECT x FROM t']],
    [['SELECT ssn AS x INTO TEMP t FROM ONLY customers', 'SELECT x FROM pg_temp.t']],
    [['CREATE TEMP TABLE t (x text)', 'INSERT INTO t SELECT ssn FROM ONLY customers', 'TABLE t']],
    [['CREATE TABLE pg_temp.t (x text)', 'INSERT INTO t(x) SELECT ssn FROM ONLY customers', 'SELECT t.x FROM t']],
    [['CREATE TEMP TABLE t (x text)', 'UPDATE t SET x = (SELECT ssn FROM ONLY customers LIMIT 1)', 'SELECT x FROM t']],
    [
      [
        'CREATE TEMP TABLE t (x text)',
        'MERGE INTO t USING (SELECT ssn FROM ONLY customers) s ON false WHEN NOT MATCHED THEN INSERT VALUES (s.ssn)',
        'SELECT x FROM t',
      ],
    ],
    [[MADE, 'CREATE TEMP TABLE u AS TABLE t', 'DROP TABLE t', 'SELECT x FROM u']],
    [[MADE, 'ALTER TABLE t RENAME TO u', 'ALTER TABLE u RENAME x TO y', 'SELECT y AS x FROM u']],
    [[MADE, 'ALTER TABLE t ADD z int', 'ALTER TABLE t DROP id', 'SELECT x FROM t']],
    [['CREATE TEMP VIEW v AS SELECT ssn AS x FROM ONLY customers', 'SELECT x FROM v']],
    [['CREATE TEMP TABLE t (x text); INSERT INTO t SELECT ssn FROM ONLY customers; SELECT x FROM t']],
    [
      [
        'CREATE TEMP TABLE t (x text)',
        `INSERT INTO t VALUES ('a')`,
        'INSERT INTO t SELECT ssn FROM ONLY customers',
        'SELECT x FROM t',
      ],
    ],
  ])('%j', async (texts) => {
    const statement = await after(...texts)
    expect(statement.opaque).toEqual([])
    expect(outputsOf(statement)?.[0]).toMatch(new RegExp(`^x = copy of pg_temp\\.\\w\\.\\w ${SSN}$`))
    expect(usesOf(statement)).toContain(`${SSN}: output`)
  })

  test('what was computed of it is still computed, and a condition on it is one on what it was', async () => {
    const made = 'CREATE TEMP TABLE t AS SELECT md5(ssn) AS x FROM ONLY customers'
    expect(told(await after(made, 'SELECT x FROM t'))).toEqual([`x = made of pg_temp.t.x ${SSN}`])
    expect(usesOf(await after(made, 'SELECT 1 FROM t WHERE x > $1'))).toContain(`${SSN}: predicate`)
    expect(usesOf(await after(made, 'SELECT upper(x) FROM t'))).toContain(`${SSN}: derived`)
  })

  test('rows of two columns have two masks, so neither', async () => {
    const both = ['INSERT INTO t SELECT ssn FROM ONLY customers', 'INSERT INTO t SELECT email FROM ONLY customers']
    expect(told(await after('CREATE TEMP TABLE t (x text)', ...both, 'SELECT x FROM t'))).toEqual([
      `x = made of pg_temp.t.x ${SSN} public.customers.email`,
    ])
  })

  test('another type is another value', async () => {
    const texts = ['CREATE TEMP TABLE t (x varchar(4))', 'INSERT INTO t SELECT ssn FROM ONLY customers']
    expect(told(await after(...texts, 'SELECT x FROM t'))).toEqual([`x = made of pg_temp.t.x ${SSN}`])
  })

  test('the statement that puts it there hands it out as well', async () => {
    const empty = 'CREATE TEMP TABLE t (x text); CREATE TEMP TABLE u (x text)'
    const insert = 'INSERT INTO t SELECT ssn FROM ONLY customers RETURNING x'
    expect(told(await after(empty, insert))).toEqual([`x = copy of pg_temp.t.x ${SSN}`])
    const update = 'UPDATE t SET x = c.ssn FROM ONLY customers c RETURNING new.x, t.*'
    expect(usesOf(await after(empty, update))).toContain(`${SSN}: output derived`)
    const through = `WITH a AS (${insert}) INSERT INTO u SELECT x FROM a RETURNING x`
    expect(told(await after(empty, through))).toEqual([`x = copy of pg_temp.u.x ${SSN}`])
  })

  test('a write names the table itself and nothing behind it as written', async () => {
    const uses = usesOf(await after(MADE, `UPDATE t SET x = 'a' WHERE id = 1`))
    expect(uses.filter((use) => use.endsWith('written'))).toEqual(['pg_temp.t.x: written'])
  })

  test('what nothing of anybody’s went into is clean, and so is one session’s to another', async () => {
    const texts = [`CREATE TEMP TABLE t (x text, n serial)`, `INSERT INTO t(x) VALUES ('a'), ($1)`]
    expect(told(await after(...texts, 'SELECT x, n FROM t'))).toEqual([
      'x = copy of pg_temp.t.x',
      'n = copy of pg_temp.t.n',
    ])
    expect(told(await after('SELECT x FROM t'))).toEqual(['unresolved'])
    expect(told(await after('SELECT 1 FROM pg_temp.t'))).toEqual(['form'])
  })
})

describe('a name means what it means to the server', () => {
  const SHADOW = 'CREATE TEMP TABLE customers (ssn text)'
  const OURS = ['ssn = copy of pg_temp.customers.ssn']
  const THEIRS = [`ssn = copy of ${SSN}`]
  const READ = 'SELECT ssn FROM ONLY customers'

  test.each<readonly [texts: readonly string[], found: readonly string[]]>([
    [[SHADOW], OURS],
    [[SHADOW, 'DROP TABLE customers'], THEIRS],
    [[SHADOW, 'DROP TABLE pg_temp.customers'], THEIRS],
    [[SHADOW, 'ALTER TABLE customers RENAME TO c'], THEIRS],
    [[SHADOW, 'DISCARD TEMP'], THEIRS],
    [[SHADOW, 'DISCARD ALL'], THEIRS],
    [['BEGIN', SHADOW], OURS],
    [['BEGIN', SHADOW, 'COMMIT'], OURS],
    [['BEGIN', SHADOW, 'ROLLBACK'], THEIRS],
    [[`BEGIN; ${SHADOW}; ROLLBACK`], THEIRS],
    [[`${SHADOW}; BEGIN; ROLLBACK`], THEIRS],
    [['BEGIN', `${SHADOW} ON COMMIT DROP`], OURS],
    [['BEGIN', `${SHADOW} ON COMMIT DROP`, 'COMMIT'], THEIRS],
    [['BEGIN', 'SAVEPOINT a', SHADOW, 'SAVEPOINT b', 'ROLLBACK TO a'], THEIRS],
    [['BEGIN', SHADOW, 'SAVEPOINT a', 'DROP TABLE customers', 'ROLLBACK TO a'], OURS],
    [['BEGIN', SHADOW, 'SAVEPOINT a', 'DROP TABLE customers', 'RELEASE a', 'COMMIT'], THEIRS],
    [['BEGIN', 'SAVEPOINT a', 'SAVEPOINT a', SHADOW, 'ROLLBACK TO a', 'RELEASE a', 'ROLLBACK TO a'], THEIRS],
  ])('%j', async (texts, found) => {
    expect(told(await after(...texts, READ))).toEqual(found)
    expect(told(await after([...texts, READ].join(';')))).toEqual(found)
  })

  test('a rollback goes back to what was committed, which in one text is nothing', async () => {
    const texts = [SHADOW, 'BEGIN', 'ALTER TABLE customers RENAME TO c', 'ROLLBACK AND CHAIN', READ]
    expect(told(await after(...texts))).toEqual(OURS)
    expect(told(await after(texts.join(';')))).toEqual(THEIRS)
  })

  test('made again with other columns after a rollback, it is what it is then', async () => {
    const texts = ['BEGIN', MADE, 'ROLLBACK', 'CREATE TEMP TABLE t (x int)', 'SELECT x FROM t']
    expect(told(await after(...texts))).toEqual(['x = copy of pg_temp.t.x'])
  })

  test('what flows in behind a savepoint stays known after it, since the way back may be overtaken', async () => {
    const session = new Session()
    await session.run('BEGIN; CREATE TEMP TABLE t (x text); SAVEPOINT a')
    const [insert] = await session.name('INSERT INTO t SELECT ssn FROM ONLY customers')
    session.own.carry(insert?.carries ?? [])
    await session.run('ROLLBACK TO a')
    expect(told(await session.run('SELECT x FROM t'))).toEqual([`x = copy of pg_temp.t.x ${SSN}`])
  })

  test('a failed transaction is undone by COMMIT, and one of the server’s making by an error', async () => {
    const session = new Session()
    await session.run('BEGIN')
    await session.run(SHADOW)
    session.own.ready('E', true)
    expect(told((await session.name(`COMMIT; ${READ}`))[1] ?? (await session.run(READ)))).toEqual(THEIRS)
    await session.run('ROLLBACK')
    await session.run(SHADOW, catalog, true)
    expect(told(await session.run(READ))).toEqual(THEIRS)
    await session.run(SHADOW)
    session.own.ready('I', true)
    expect(told(await session.run(READ))).toEqual(OURS)
  })

  test('a definition of the catalogue’s goes on meaning the catalogue’s', async () => {
    const read = 'SELECT reference_code FROM customer_contact'
    const output =
      'reference_code = copy of public.customer_contact.reference_code public.customers.ssn public.vip_customers.ssn'
    expect(told(await after(SHADOW, read))).toEqual([output])
  })

  test('its row type is nobody’s', async () => {
    expect(told(await after(SHADOW, `SELECT '("a")'::customers`))).toEqual(['form'])
    expect(told(await after('CREATE TEMP TABLE text (a int)', `SELECT ssn::text FROM customers`))).toEqual(['form'])
  })

  test('a serial column’s sequence takes a name as well, and goes with its table', async () => {
    const made = 'CREATE TEMP TABLE a (customers serial)'
    const read = 'SELECT last_value FROM a_customers_seq'
    expect(told(await after(made, read))).toEqual(['last_value = copy of pg_temp.a_customers_seq.last_value'])
    expect(told(await after(made, 'ALTER TABLE a RENAME TO b', read))).toHaveLength(1)
    expect(told(await after(made, 'DROP TABLE a', read))).toEqual(['unresolved'])
  })

  test.each([
    'SET search_path = private',
    `SET search_path TO "private", 'bank'`,
    `SELECT set_config('search_path', ' Private , "bank" ', false)`,
    'SET SCHEMA $$private$$',
  ])('%s', async (set) => {
    const read = 'SELECT ssn FROM customers'
    const [elsewhere] = ['ssn = copy of private.customers.ssn']
    expect(told(await after(set, read))).toEqual([elsewhere])
    expect(told(await after(`${set}; ${read}`))).toEqual([elsewhere])
    expect(told(await after(set, 'RESET search_path', 'SELECT ssn FROM ONLY customers'))).toEqual(THEIRS)
    expect(told(await after(set, 'RESET ALL', 'SELECT ssn FROM ONLY customers'))).toEqual(THEIRS)
    expect(told(await after('BEGIN', set, 'ROLLBACK', 'SELECT ssn FROM ONLY customers'))).toEqual(THEIRS)
    expect(told(await after('BEGIN', set, 'COMMIT', read))).toEqual([elsewhere])
  })

  test('SET LOCAL holds for the transaction, and no temporary schema has a place in it', async () => {
    const local = `SELECT set_config('search_path', '', true)`
    expect(told(await after('BEGIN', local, READ))).toEqual(['unresolved'])
    expect(told(await after('BEGIN', local, 'COMMIT', READ))).toEqual(THEIRS)
    expect(
      told(await after('BEGIN', 'SET search_path = private', local, 'COMMIT', 'SELECT ssn FROM customers')),
    ).toEqual(['ssn = copy of private.customers.ssn'])
    expect(told(await after(`SET search_path = ''`, 'SELECT ssn FROM ONLY public.customers'))).toEqual(THEIRS)
  })
})

describe('what can’t be followed is given up', () => {
  test.each([
    'CREATE TEMP TABLE t (LIKE customers INCLUDING ALL)',
    'CREATE TEMP TABLE t () INHERITS (customers)',
    'CREATE TEMP TABLE t (x text, y text GENERATED ALWAYS AS (x) STORED)',
    'CREATE TEMP TABLE t (x text REFERENCES u(x) ON UPDATE CASCADE)',
    'CREATE TEMP TABLE t (x text) PARTITION BY LIST (x)',
    'CREATE TEMP TABLE t (x text DEFAULT bank.get_ssn(1))',
    'CREATE TEMP TABLE t OF customers',
    'CREATE TEMP TABLE t AS SELECT bank.get_ssn(1) AS x',
    'CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql AS $$SELECT 1$$',
    'ALTER TABLE own INHERIT customers',
    'ALTER TABLE own ALTER x TYPE text USING upper(x)',
    'ALTER TABLE own ADD y text GENERATED ALWAYS AS (x) STORED',
    'CREATE TRIGGER r BEFORE INSERT ON own EXECUTE FUNCTION bank.audit_trg()',
    'CREATE RULE r AS ON INSERT TO own DO INSTEAD SELECT 1',
    'CREATE VIEW v AS SELECT x FROM own',
    'CREATE TEMP VIEW v AS SELECT x FROM own',
    'DROP OWNED BY postgres',
    'DROP SCHEMA pg_temp CASCADE',
    'DROP TABLE own, transfers',
  ])('%s', async (sql) => {
    const session = new Session()
    await session.run('CREATE TEMP TABLE own (x text)')
    const { effect, opaque } = await session.run(sql)
    expect({ effect, opaque: opaque.length > 0 }).toMatchObject(
      opaque.length > 0 ? {} : { effect: { kind: 'catalog', temporary: true } },
    )
  })

  test('DO may do anything', async () => {
    expect((await after('DO $$ BEGIN END $$')).effect).toEqual({ kind: 'unseen' })
  })

  test('definitions of others leave it alone', async () => {
    const session = new Session()
    await session.run('CREATE TEMP TABLE own (x text)')
    for (const sql of [
      'CREATE INDEX ON own (x)',
      'COMMENT ON TABLE own IS $$x$$',
      'CREATE TABLE fresh (a int)',
      'DROP TABLE transfers',
    ]) {
      expect((await session.run(sql)).effect).not.toMatchObject({ temporary: true })
    }
  })

  test('columns that are gone from the catalogue give up what was made of them', async () => {
    const session = new Session()
    await session.run(MADE)
    const recorded = recordedSource()
    const bare = await Catalog.load({
      query: async (sql) =>
        (await recorded.query(sql)).filter(([, schema, name]) => schema !== 'public' || name !== 'customers'),
    })
    expect(told(await session.run('SELECT x FROM t', bare))).toContain('session')
    expect(session.own.lost).toBe(true)
    session.own.done({ kind: 'discard_all' })
    expect(session.own.lost).toBe(false)
  })

  test('a way back to nowhere, and more relations than anybody has', async () => {
    const session = new Session()
    await session.run('BEGIN')
    await session.run(MADE)
    await session.run('ROLLBACK TO nowhere')
    expect(told(await session.run('SELECT x FROM t'))).toContain('session')
    const many = new Session()
    const one = { name: 't', kind: 'table', columns: [], reads: null, untilCommit: false } as const
    const makes = Array.from({ length: 1001 }, () => ({ ...one, root: { owner: null } }))
    many.own.done({ kind: 'own', change: { drops: [], makes } })
    expect(many.own.lost).toBe(true)
  })
})

describe('a name that was prepared before', () => {
  test('is doubtful once something in it has come to mean something else', async () => {
    const session = new Session()
    const then = session.own.changes
    const [read] = await session.name('SELECT ssn FROM customers')
    const [other] = await session.name('SELECT id FROM accounts')
    if (read === undefined || other === undefined) throw new Error('two statements were expected')
    await session.run('CREATE TEMP TABLE customers (ssn text)')
    expect(session.own.changedSince(then, read)).toBe(true)
    expect(session.own.changedSince(then, other)).toBe(false)
    await session.run('DROP TABLE customers')
    expect(session.own.changedSince(then, read)).toBe(true)
    expect(session.own.changedSince(session.own.changes, read)).toBe(false)
    await session.run('SET search_path = private')
    expect(session.own.changedSince(then, other)).toBe(true)
  })
})

function opaque(statements: readonly NormalizedStatement[]): readonly string[] {
  return statements.flatMap((statement) => statement.opaque.map(({ what }) => what))
}

describe('a session in the midst of it', () => {
  test('names nothing by what the server has still to confirm, or may undo', async () => {
    const state = new SessionState()
    const session = new Session(state.own)
    const read = async (): Promise<readonly string[]> =>
      opaque(state.mark(await session.name('SELECT id FROM accounts'), Infinity))
    const [made] = await session.name('CREATE TEMP TABLE customers (ssn text)')
    if (made === undefined) throw new Error('a statement was expected')
    state.allowed(made)
    expect(await read()).toEqual(['unsettled'])
    state.ended(made, 'done')
    expect(await read()).toEqual([])
    const [rollback] = await session.name('ROLLBACK')
    if (rollback === undefined) throw new Error('a statement was expected')
    state.allowed(rollback)
    expect(await read()).toEqual(['unsettled'])
    state.ended(rollback, 'failed')
    expect(await read()).toEqual([])
  })

  test('doubts what it prepared before, and gives up what was made under a doubt', async () => {
    const state = new SessionState()
    const session = new Session(state.own)
    const then = state.own.changes
    await session.run('CREATE TEMP TABLE customers (ssn text)')
    const again = await session.name('SELECT ssn FROM customers')
    expect(opaque(state.mark(again, then))).toEqual(['changed'])
    expect(opaque(state.mark(again, state.own.changes))).toEqual([])
    const both = await session.name('CREATE TEMP TABLE t AS SELECT ssn FROM customers; SELECT ssn FROM t')
    expect(opaque(state.mark(both, then))).toEqual(['changed', 'session'])
  })

  test('knows whether the server looks for names where it is thought to', async () => {
    const state = new SessionState()
    const session = new Session(state.own)
    await session.run(`SET search_path = private, "Odd One"`)
    state.reported('private, "Odd One"')
    expect(state.ready('I', false)).toBe(true)
    state.reported('"$user", public')
    expect(state.agrees()).toBe(false)
    expect(state.agrees()).toBe(true) // it is told once
  })
})
