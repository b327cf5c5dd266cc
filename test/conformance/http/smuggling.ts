/** Bytes that two parsers could read differently, `TOKEN` in the place of the agent's. None may bring `/admin` to the bank. */
export interface SmugglingCase {
  readonly name: string
  readonly bytes: string
  /** Every status among the answers must be one of these. */
  /** Of the Envoy form's also these: Envoy reads it in one way, writes it so, and that is what was decided on. */
  readonly envoy?: readonly number[]
  /** The first request is an honest one, and must be answered. */
  readonly honest: boolean
  readonly statuses: readonly number[]
}

const AUTH = 'Authorization: Bearer TOKEN\r\n'
const HOST = 'Host: bank.example\r\n'
const HIDDEN = `GET /admin/smuggled HTTP/1.1\r\n${HOST}${AUTH}Connection: close\r\n\r\n`
const REFUSED = [400, 403, 404, 408, 413, 421, 426, 431, 501, 505]

const post = (headers: string, body: string): string => `POST /echo HTTP/1.1\r\n${HOST}${AUTH}${headers}\r\n${body}`
const get = (target: string, headers = HOST): string =>
  `GET ${target} HTTP/1.1\r\n${headers}${AUTH}Connection: close\r\n\r\n`
const refused = (name: string, bytes: string): SmugglingCase => ({
  name,
  bytes,
  statuses: REFUSED,
  honest: false,
})
/** Refused, but by Envoy's form read as Envoy reads it. */
const read = (name: string, bytes: string): SmugglingCase => ({ ...refused(name, bytes), envoy: [200, 401] })
/** One honest request; what stands behind it is refused, or is one of its own and refused by policy. */
const first = (name: string, bytes: string): SmugglingCase => ({
  name,
  bytes,
  statuses: [200, ...REFUSED],
  honest: true,
})

const FRAMING: readonly SmugglingCase[] = [
  refused(
    'CL.TE',
    post(`Content-Length: ${HIDDEN.length + 5}\r\nTransfer-Encoding: chunked\r\n`, `0\r\n\r\n${HIDDEN}`),
  ),
  refused('TE.CL', post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', `5c\r\n${HIDDEN}\r\n0\r\n\r\n`)),
  refused(
    'TE.TE, the second unknown',
    post('Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n', `0\r\n\r\n${HIDDEN}`),
  ),
  refused('TE: xchunked', post('Transfer-Encoding: xchunked\r\n', `0\r\n\r\n${HIDDEN}`)),
  refused('TE: chunked, identity', post('Transfer-Encoding: chunked, identity\r\n', `0\r\n\r\n${HIDDEN}`)),
  refused('TE: gzip, chunked', post('Transfer-Encoding: gzip, chunked\r\n', `0\r\n\r\n${HIDDEN}`)),
  refused('TE with a space before the colon', post('Transfer-Encoding : chunked\r\n', `0\r\n\r\n${HIDDEN}`)),
  refused('TE with a vertical tab', post('Transfer-Encoding: \vchunked\r\n', `0\r\n\r\n${HIDDEN}`)),
  read('TE after a folded line', post('X-A: b\r\n Transfer-Encoding: chunked\r\n', `0\r\n\r\n${HIDDEN}`)),
  refused(
    'TE in HTTP/1.0',
    `POST /echo HTTP/1.0\r\n${HOST}${AUTH}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  ),
  refused('two different lengths', post('Content-Length: 0\r\nContent-Length: 5\r\n', HIDDEN)),
  refused('two equal lengths', post('Content-Length: 5\r\nContent-Length: 5\r\n', `hello${HIDDEN}`)),
  refused('a list of lengths', post('Content-Length: 5, 5\r\n', `hello${HIDDEN}`)),
  refused('a signed length', post('Content-Length: +5\r\n', `hello${HIDDEN}`)),
  refused('a negative length', post('Content-Length: -1\r\n', HIDDEN)),
  refused('a hexadecimal length', post('Content-Length: 0x5\r\n', `hello${HIDDEN}`)),
  refused('an empty length', post('Content-Length: \r\n', HIDDEN)),
  refused('a length too large for a number', post('Content-Length: 99999999999999999999\r\n', HIDDEN)),
  refused(
    'a chunk size that overflows',
    post('Transfer-Encoding: chunked\r\n', `10000000000000005\r\nhello\r\n0\r\n\r\n${HIDDEN}`),
  ),
  refused('a chunk size with a sign', post('Transfer-Encoding: chunked\r\n', `+5\r\nhello\r\n0\r\n\r\n${HIDDEN}`)),
  refused('a chunk size in 0x', post('Transfer-Encoding: chunked\r\n', `0x5\r\nhello\r\n0\r\n\r\n${HIDDEN}`)),
  refused('a chunk without its line end', post('Transfer-Encoding: chunked\r\n', `5\r\nhello0\r\n\r\n${HIDDEN}`)),
  refused('chunks that end in a bare LF', post('Transfer-Encoding: chunked\r\n', `5\nhello\n0\n\n${HIDDEN}`)),
  first('a chunk extension', post('Transfer-Encoding: chunked\r\n', `5;a=b\r\nhello\r\n0\r\n\r\n${HIDDEN}`)),
  refused(
    'a chunk extension with a bare LF',
    post('Transfer-Encoding: chunked\r\n', `5;a\nhello\r\n0\r\n\r\n${HIDDEN}`),
  ),
  first('a GET with a body', `GET /echo HTTP/1.1\r\n${HOST}${AUTH}Content-Length: 5\r\n\r\nhello${HIDDEN}`),
  first('a request behind a request', post('Content-Length: 5\r\n', `hello${HIDDEN}`)),
  first(
    'trailers that look like headers',
    post(
      'Transfer-Encoding: chunked\r\nTrailer: Host\r\n',
      `5\r\nhello\r\n0\r\nHost: evil\r\nX-Original-URL: /admin\r\n\r\n${HIDDEN}`,
    ),
  ),
]

const LINES: readonly SmugglingCase[] = [
  read('a folded header', `GET /echo HTTP/1.1\r\n${HOST}${AUTH}X-A: b\r\n c\r\n\r\n`),
  read('lines that end in a bare LF', `GET /echo HTTP/1.1\nHost: bank.example\nAuthorization: Bearer TOKEN\n\n`),
  read('a bare CR in a value', `GET /echo HTTP/1.1\r\n${HOST}${AUTH}X-A: b\rGET /admin HTTP/1.1\r\n\r\n`),
  refused('a NUL in a value', `GET /echo HTTP/1.1\r\n${HOST}${AUTH}X-A: b\0c\r\n\r\n`),
  refused('a NUL in the path', get('/echo\0/admin')),
  refused('a space in a header’s name', `GET /echo HTTP/1.1\r\n${HOST}${AUTH}X A: b\r\n\r\n`),
  refused('a header without a name', `GET /echo HTTP/1.1\r\n${HOST}${AUTH}: b\r\n\r\n`),
  refused('a header without a colon', `GET /echo HTTP/1.1\r\n${HOST}${AUTH}GET /admin HTTP/1.1\r\n\r\n`),
  refused('a first header that is folded', `GET /echo HTTP/1.1\r\n X: y\r\n${HOST}${AUTH}\r\n`),
  refused('no version', `GET /echo\r\n${HOST}${AUTH}\r\n`),
  {
    name: 'two spaces in the request line',
    bytes: `GET  /echo HTTP/1.1\r\n${HOST}${AUTH}Connection: close\r\n\r\n`,
    statuses: [200, ...REFUSED],
    honest: false,
  },
  refused('another version', `GET /echo HTTP/1.9\r\n${HOST}${AUTH}\r\n`),
  refused('a method in small letters', `get /echo HTTP/1.1\r\n${HOST}${AUTH}\r\n`),
  read('Connection that names Content-Length', post('Content-Length: 5\r\nConnection: content-length\r\n', 'hello')),
  read('Connection that names Authorization', `GET /echo HTTP/1.1\r\n${HOST}${AUTH}Connection: authorization\r\n\r\n`),
  {
    name: 'two tokens',
    bytes: `GET /echo HTTP/1.1\r\n${HOST}${AUTH}${AUTH}Connection: close\r\n\r\n`,
    statuses: [400, 401],
    honest: false,
  },
]

const PATHS: readonly SmugglingCase[] = [
  refused('an escaped slash', get('/echo/..%2fadmin')),
  refused('an escaped slash in capitals', get('/echo%2F..%2Fadmin')),
  refused('an escaped backslash', get('/echo/..%5cadmin')),
  refused('a backslash', get('/echo\\..\\admin')),
  refused('dot segments', get('/echo/../admin')),
  refused('a dot segment at the end', get('/admin/.')),
  refused('escaped dots', get('/echo/%2e%2e/admin')),
  refused('half escaped dots', get('/echo/.%2e/admin')),
  refused('dots escaped twice', get('/echo/%252e%252e/admin')),
  refused('a slash escaped twice', get('/echo/%252fadmin')),
  refused('two slashes', get('//admin')),
  refused('a semicolon', get('/echo;/../admin')),
  refused('a parameter of a segment', get('/admin;x=1/users')),
  refused('an overlong slash', get('/echo/%c0%afadmin')),
  refused('a full-width slash', get('/echo/%ef%bc%8fadmin')),
  refused('full-width dots', get('/echo/%ef%bc%8e%ef%bc%8e/admin')),
  refused('an escaped NUL', get('/admin%00.json')),
  refused('an escaped line end', get('/echo%0d%0aX-A:b')),
  refused('a percent sign alone', get('/echo/%zz')),
  refused('a fragment', get('/echo#/admin')),
  refused('a byte beyond ASCII', get('/echo/\xe4dmin')),
  refused('absolute form', get('http://bank.example/echo')),
  refused('absolute form of another host', get('http://evil.example/admin')),
  refused('an asterisk', `OPTIONS * HTTP/1.1\r\n${HOST}${AUTH}Connection: close\r\n\r\n`),
  refused('CONNECT', `CONNECT bank.example:80 HTTP/1.1\r\n${HOST}${AUTH}\r\n`),
  refused('a path without its slash', get('admin')),
  refused('an escape in the middle of a name', get('/%61dmin')),
]

const HOSTS: readonly SmugglingCase[] = [
  refused('two hosts', get('/echo', `${HOST}Host: evil.example\r\n`)),
  refused('two equal hosts', get('/echo', `${HOST}${HOST}`)),
  refused('no host', get('/echo', '')),
  refused('an empty host', get('/echo', 'Host: \r\n')),
  refused('a user in the host', get('/echo', 'Host: user@bank.example\r\n')),
  refused('a path in the host', get('/echo', 'Host: bank.example/admin\r\n')),
  refused('a host with a space', get('/echo', 'Host: bank.example evil.example\r\n')),
  refused('a list of hosts', get('/echo', 'Host: bank.example, evil.example\r\n')),
]

export const SMUGGLING: readonly SmugglingCase[] = [...FRAMING, ...LINES, ...PATHS, ...HOSTS]
