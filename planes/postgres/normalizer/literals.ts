import type { PgQuery, ScanToken } from './pg-query.ts'

/** Tokens that carry a value of the client's: strings, bit strings, numbers. */
const LITERALS = new Set(['SCONST', 'USCONST', 'BCONST', 'XCONST', 'ICONST', 'FCONST'])
const COMMENTS = new Set(['SQL_COMMENT', 'C_COMMENT'])

/** What may remain once identifiers, parameters and quoted names are taken out: no quote, digit, dollar or comment. */
const NAMES = /"(?:[^"]|"")*"|\$\d+|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/g
const SUSPECT = /['"$\d]|--|\/\*/

/** libpg-query answers a failure in the result's own place. */
const FAILED = /^(?:syntax error|deparse error|ERROR)/

/**
 * One statement's text without anything of the client's but names: literals become `$n`, numbered on from the
 * statement's own parameters; comments are gone. libpg-query's own replacement does most statements; it leaves the
 * literals of utility statements, so what still looks like one is taken out token by token.
 */
export function withoutLiterals(query: PgQuery, sql: string): string {
  const text = query.normalize(sql).trim()
  return FAILED.test(text) || SUSPECT.test(text.replaceAll(NAMES, '')) ? byTokens(query, sql) : text
}

function byTokens(query: PgQuery, sql: string): string {
  const tokens = tokensOf(JSON.parse(query.scan(sql)))
  const bytes = Buffer.from(sql)
  let number = highestParameter(tokens, bytes)
  let text = ''
  let end = 0
  for (const token of tokens) {
    if (token.start > end && text !== '') text += ' '
    end = token.end
    if (COMMENTS.has(token.tokenName)) continue
    text += LITERALS.has(token.tokenName) ? `$${(number += 1)}` : bytes.toString('utf8', token.start, token.end)
  }
  return text.replaceAll(/ {2,}/g, ' ').trim()
}

/** What the scanner answered. */
export function tokensOf(scanned: unknown): readonly ScanToken[] {
  if (typeof scanned !== 'object' || scanned === null || !('tokens' in scanned) || !Array.isArray(scanned.tokens)) {
    throw new Error('the scanner gave no tokens')
  }
  return scanned.tokens.filter(isToken)
}

function isToken(token: unknown): token is ScanToken {
  return typeof token === 'object' && token !== null && 'start' in token && 'end' in token && 'tokenName' in token
}

function highestParameter(tokens: readonly ScanToken[], bytes: Buffer): number {
  return tokens
    .filter((token) => token.tokenName === 'PARAM')
    .reduce((highest, { start, end }) => Math.max(highest, Number(bytes.toString('latin1', start + 1, end))), 0)
}
