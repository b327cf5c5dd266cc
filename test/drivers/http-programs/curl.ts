import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readSteps, tell } from './told.ts'

/** curl, in the version of HTTP that the argument says: 1.1 or 2. */
const knows = process.env['KNOWS_HTTP2'] === 'yes' && process.env['API_URL']?.startsWith('http:') === true
const how = process.argv[2] === '2' ? (knows ? '--http2-prior-knowledge' : '--http2') : '--http1.1'
const WRITE = '\n%{http_code}\t%{http_version}\t%{content_type}\t%header{location}\t%header{x-decision-id}'
for (const { name, method, path, type, body } of readSteps()) {
  const args = [how, '--silent', '--show-error', '--path-as-is', '--globoff', '--write-out', WRITE]
  const headers = [
    '-H',
    `Authorization: Bearer ${process.env['API_TOKEN']}`,
    ...(type === '' ? [] : ['-H', `Content-Type: ${type}`]),
  ]
  const ca = process.env['SSL_CERT_FILE'] === undefined ? [] : ['--cacert', process.env['SSL_CERT_FILE']]
  const verb = method === 'HEAD' ? ['--head', '--output', '/dev/null'] : ['--request', method]
  const sent = body === null ? [] : ['--data-binary', '@-']
  const url = `${process.env['API_URL']}${path}`
  const { stdout, stderr, status } = spawnSync('curl', [...args, ...ca, ...headers, ...verb, ...sent, url], {
    input: body ?? '',
    maxBuffer: 2 ** 28,
  })
  if (status !== 0) throw new Error(`curl ended with ${status}: ${stderr.toString()}`)
  const end = stdout.lastIndexOf('\n')
  const [code = '', version = '', of = '', location = '', decision = ''] = stdout
    .subarray(end + 1)
    .toString()
    .split('\t')
  const bytes = stdout.subarray(0, end)
  tell({
    name,
    status: Number(code),
    version,
    type: of,
    location,
    decision,
    bytes,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  })
}
