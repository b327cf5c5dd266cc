import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NormalizeError } from '../../../../engine/index.ts'
import { SqlParser, type SqlParserOptions } from '../../../../planes/postgres/normalizer/index.ts'
import { poison, survived } from '../../../support/poison.ts'

let parser: SqlParser
const opened: SqlParser[] = []

async function open(options: SqlParserOptions): Promise<SqlParser> {
  const own = await SqlParser.open(options)
  opened.push(own)
  return own
}

beforeAll(async () => {
  parser = await open({ deadlineMs: 10_000 })
})
afterAll(() => Promise.all(opened.map((each) => each.close())))

function faultOf(sql: string, of: SqlParser = parser): Promise<NormalizeError> {
  return of.parse(sql).then(
    () => {
      throw new Error('it was parsed')
    },
    (error: unknown) => {
      if (error instanceof NormalizeError) return error
      throw error
    },
  )
}

describe('what spoils a parser costs its own statement alone', () => {
  // The long form is test/fault/postgres/parser.test.ts.
  test('a poisonous statement of 16 KB again and again, others all the while', async () => {
    expect(await survived(parser, 20)).toBeGreaterThan(4)
  })

  test('in-line as well', async () => {
    const inline = await open({ inlineBytes: 64 * 1024 })
    for (let round = 0; round < 20; round += 1) {
      expect((await faultOf(poison(16_000, round), inline)).code).toBe('ERR_NORMALIZE_TOO_COMPLEX')
      expect(await inline.parse(`SELECT ${round}, 'after'`)).toHaveLength(1)
    }
  })

  test('a deadline ends what takes too long, and the next long statement is parsed again', async () => {
    const hasty = await open({ deadlineMs: 1 })
    const long = `SELECT ${Array.from({ length: 40_000 }, (_, index) => index).join(',')}`
    expect((await faultOf(long, hasty)).code).toBe('ERR_NORMALIZE_TOO_COMPLEX')
    expect(await hasty.parse('SELECT 1')).toHaveLength(1)
    expect(await parser.parse(long)).toHaveLength(1)
  })

  test('a closed parser answers, with a refusal', async () => {
    const closed = await SqlParser.open()
    await closed.close()
    const refusal = closed.parse(`SELECT '${'x'.repeat(8000)}'`)
    await expect(refusal).rejects.toMatchObject({ code: 'ERR_NORMALIZE_TOO_COMPLEX' })
  })
})

describe('what is not SQL', () => {
  test.each([
    ['SELECT 1 FROM', 'syntax error at end of input', 14],
    [`SELECT 'éé' FROM WHERE`, 'syntax error at or near "WHERE"', 18],
    [`SELECT '🏦' FROM WHERE`, 'syntax error at or near "WHERE"', 17],
    ['SELECT 1;garbage', 'syntax error at or near "garbage"', 10],
    [`SELECT 'open`, `unterminated quoted string at or near "'open"`, 8],
    ['SELECT 1e1x', 'trailing junk after numeric literal at or near "1e1x"', 8],
  ])('%s', async (sql, message, position) => {
    expect(await faultOf(sql)).toMatchObject({ code: 'ERR_NORMALIZE_SYNTAX', message, position })
  })

  test('the same for a long text, from the thread', async () => {
    const sql = `SELECT ${'1, '.repeat(2000)} FROM`
    expect(await faultOf(sql)).toMatchObject({ code: 'ERR_NORMALIZE_SYNTAX', position: sql.length - 3 })
  })

  test.each([
    ['a NUL, where the server would stop reading', 'SELECT 1\0; DROP TABLE x'],
    ['half a surrogate pair', 'SELECT \ud800'],
  ])('%s', async (_, sql) => {
    expect(await faultOf(sql)).toMatchObject({
      code: 'ERR_NORMALIZE_SYNTAX',
      message: 'the SQL text holds a NUL or is not valid Unicode',
    })
  })

  test('a text beyond the cap is not looked at', async () => {
    const small = await open({ maxBytes: 20 })
    expect(await faultOf('SELECT 1 FROM WHERE ééé', small)).toMatchObject({
      code: 'ERR_NORMALIZE_TOO_COMPLEX',
      message: 'the SQL text takes 26 bytes; 20 are allowed',
    })
  })
})

describe('a script and its statements', () => {
  test.each(['', '   ', ';;', '-- nothing', '/* nothing */ ;'])('%j holds none', async (sql) => {
    expect(await parser.parse(sql)).toEqual([])
  })

  test('each has its own text and place', async () => {
    const sql = ` SELECT 'é' ;; /* second */ DELETE FROM t ; `
    const parsed = await parser.parse(sql)
    expect(parsed.map(({ text }) => text.trim())).toEqual([`SELECT 'é'`, 'DELETE FROM t'])
    for (const { text, location } of parsed) expect(sql.slice(location, location + text.length)).toBe(text)
  })

  test('a text may hold any character but NUL, and goes out of it with the literals', async () => {
    for (let code = 1; code < 0x80; code += 1) {
      const character = String.fromCharCode(code)
      const name = `"t${character.replace('"', '""')}"`
      const [statement] = await parser.parse(
        `COMMENT ON TABLE ${name} IS '${character.replace("'", "''")}' /* ${character} */`,
      )
      expect(statement?.normalizedText).toBe(`COMMENT ON TABLE ${name} IS $1`)
      expect(JSON.stringify(statement?.node)).toContain(`"comment":${JSON.stringify(character)}`)
    }
  })

  test('places count characters of the whole script', async () => {
    const [, second] = await parser.parse(`SELECT '🏦é'; SELECT x`)
    expect(second?.positionOf(Buffer.byteLength(`SELECT '🏦é'; SELECT `))).toBe(21)
  })

  test('a text that comes again gives the very same trees', async () => {
    expect(await parser.parse('SELECT 1')).toBe(await parser.parse('SELECT 1'))
  })

  test('the oldest text is forgotten first', async () => {
    const forgetful = await open({ cacheEntries: 2 })
    const first = await forgetful.parse('SELECT 1')
    await forgetful.parse('SELECT 2')
    expect(await forgetful.parse('SELECT 1')).toBe(first)
    await forgetful.parse('SELECT 3')
    expect(await forgetful.parse('SELECT 1')).toBe(first)
    const second = await forgetful.parse('SELECT 2')
    await forgetful.parse('SELECT 4')
    await forgetful.parse('SELECT 5')
    expect(await forgetful.parse('SELECT 2')).not.toBe(second)
  })
})

describe('the text without what the client put into it', () => {
  const SECRET = /secret|900|0x|deadbeef/i
  test.each([
    `SELECT 'secret', 900, 9.00, -900, 900e1, 0x900, 9_00`,
    `SELECT E'\\'secret', U&'\\0073ecret', N'secret', B'1001', X'deadbeef'`,
    'SELECT $$secret$$, $tag$ secret $tag$',
    'SELECT 1 /* secret */ -- secret',
    '/* a /* nested secret */ secret */ SELECT 1',
    `SELECT date '1900-01-01', interval '900' day, '900'::int`,
    `SELECT 1 WHERE ssn IN ('900-11-1111', '900-22-2222') LIMIT 900 OFFSET 900`,
    `INSERT INTO t VALUES ('secret', 900), ('900', NULL)`,
    `CREATE TABLE t (a text DEFAULT 'secret', b numeric(900,2))`,
    `COMMENT ON TABLE t IS 'secret'`,
    `COPY t FROM STDIN (DELIMITER 's', NULL 'secret')`,
    `ALTER USER u PASSWORD 'secret'`,
    `CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT secret'`,
    `DO $$ secret $$`,
    `NOTIFY c, 'secret'`,
    `PREPARE p AS SELECT 'secret'`,
    `EXECUTE p('secret', 900)`,
    `DECLARE c CURSOR FOR SELECT 'secret'`,
    `SET x = 'secret', 900`,
    `EXPLAIN SELECT 'secret'`,
    `PREPARE TRANSACTION 'secret'`,
    `SELECT 'a'\n'secret'`,
  ])('%s', async (sql) => {
    for (const { normalizedText } of await parser.parse(sql)) expect(normalizedText).not.toMatch(SECRET)
  })

  test.each([
    ['SELECT a, $2 FROM t WHERE b = 5', 'SELECT a, $2 FROM t WHERE b = $3'],
    ['SELECT "a 5", a5 FROM "t""9"', 'SELECT "a 5", a5 FROM "t""9"'],
    [`SELECT /* x */ interval '1' day -- y`, 'SELECT interval $1 day'],
    ['VALUES ($7, 1)', 'VALUES ($7, $8)'],
  ])('%s', async (sql, normalizedText) => {
    expect(await parser.parse(sql)).toMatchObject([{ normalizedText }])
  })
})
