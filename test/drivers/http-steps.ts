interface Step {
  readonly name: string
  readonly method: string
  readonly path: string
  readonly type?: string
  readonly body?: string
  /** What comes through the gateway: as directly, with masks over it, only the same status, or refused. */
  readonly through: 'equal' | 'masked' | 'seen' | 'status' | 'denied'
}

const JSON_TYPE = 'application/json'
const OPAQUE = 'application/octet-stream'

/** What every client does. */
const STEPS: readonly Step[] = [
  { name: 'read', method: 'GET', path: '/customers/1', through: 'masked' },
  { name: 'list', method: 'GET', path: '/customers', through: 'masked' },
  { name: 'lines', method: 'GET', path: '/customers.ndjson', through: 'masked' },
  { name: 'csv', method: 'GET', path: '/customers.csv', through: 'masked' },
  { name: 'events', method: 'GET', path: '/events', through: 'masked' },
  { name: 'missing', method: 'GET', path: '/customers/99', through: 'equal' },
  { name: 'failing', method: 'GET', path: '/failing', through: 'masked' },
  { name: 'head', method: 'HEAD', path: '/customers/1', through: 'status' },
  { name: 'delete', method: 'DELETE', path: '/customers/5', through: 'equal' },
  {
    name: 'post',
    method: 'POST',
    path: '/transfers',
    type: JSON_TYPE,
    body: '{"amount": 12.50, "to":"ÄÖ€"}',
    through: 'equal',
  },
  {
    name: 'form',
    method: 'POST',
    path: '/seen',
    type: 'application/x-www-form-urlencoded',
    body: 'a=1&b=%C3%A4+c',
    through: 'seen',
  },
  { name: 'put', method: 'PUT', path: '/seen/a%20b/%C3%BC', type: 'text/plain', body: 'text', through: 'seen' },
  { name: 'patch', method: 'PATCH', path: '/seen', type: JSON_TYPE, body: '{"a":[1,2]}', through: 'seen' },
  { name: 'query', method: 'GET', path: '/seen?x=1&x=2&y=%26%3D&z=a+b&e=', through: 'seen' },
  { name: 'upload', method: 'POST', path: '/seen', type: OPAQUE, body: 'bytes:300000', through: 'seen' },
  {
    name: 'graphql',
    method: 'POST',
    path: '/graphql',
    type: JSON_TYPE,
    body: '{"query":"{ customer(id: 2) { name ssn } }"}',
    through: 'masked',
  },
  { name: 'download', method: 'GET', path: '/large?bytes=700000&type=text/html', through: 'denied' },
  { name: 'refused', method: 'GET', path: '/denied', through: 'denied' },
]

/** As the programs read them. */
export const STEP_LINES: string = STEPS.map(
  ({ name, method, path, type = '', body = '' }) => `${[name, method, path, type, body].join('\t')}\n`,
).join('')

/** An answer as a program tells it. */
export interface ToldAnswer {
  readonly name: string
  readonly status: number
  readonly version: string
  readonly type: string
  readonly location: string
  readonly decision: string
  readonly length: number
  readonly sha256: string
  readonly text: string
}

export function toldLines(printed: string): readonly ToldAnswer[] {
  return printed
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [name = '', status, version = '', type = '', location = '', decision = '', length, sha256 = '', text = ''] =
        line.split('\t')
      return {
        name,
        status: Number(status),
        version,
        type,
        location,
        decision,
        length: Number(length),
        sha256,
        text: Buffer.from(text, 'base64').toString(),
      }
    })
}

export interface Difference {
  readonly step: string
  readonly found: string
}

/** Steps whose answer through the gateway isn't the direct one, but for masks; each answer through it names its decision. */
export function compareAnswers(direct: readonly ToldAnswer[], through: readonly ToldAnswer[]): readonly Difference[] {
  return STEPS.flatMap((step) => {
    const [one, other] = [direct, through].map((told) => told.find(({ name }) => name === step.name))
    if (one === undefined || other === undefined) return [{ step: step.name, found: 'nothing was told' }]
    const found = differs(step, one, other)
    return found === null ? [] : [{ step: step.name, found }]
  })
}

function differs({ through }: Step, direct: ToldAnswer, other: ToldAnswer): string | null {
  if (other.decision === '') return `no decision is named: ${other.status} ${other.text.slice(0, 300)}`
  if (through === 'denied') {
    const isDenial = other.type === 'application/problem+json' && (other.status === 403 || other.status === 502)
    return isDenial ? null : `${other.status} ${other.type}`
  }
  if (other.status !== direct.status) return `${other.status} in place of ${direct.status}: ${other.text.slice(0, 300)}`
  if (through === 'status') return null
  if (other.type !== direct.type) return `type ${other.type} in place of ${direct.type}`
  if (other.location !== direct.location) return `location ${other.location} in place of ${direct.location}`
  if (through === 'equal') return other.sha256 === direct.sha256 ? null : other.text.slice(0, 300)
  const [wanted, found] =
    through === 'masked' ? [masked(direct.text), masked(other.text)] : [asSeen(direct.text), asSeen(other.text)]
  if (through === 'masked' && /900-\d\d-[1-8]\d{3}|@secret/.test(other.text))
    return `it isn't masked: ${other.text.slice(0, 300)}`
  return wanted === found ? null : `${found.slice(0, 300)} in place of ${wanted.slice(0, 300)}`
}

/** What the masks of this run make of a text, comments among events left out; what is masked already stays as it is. */
export function masked(text: string): string {
  return text
    .replaceAll(/^: .*\n/gm, '')
    .replaceAll(/900-\d\d-([1-8]\d{3})/g, '*******$1')
    .replaceAll(/([a-z])[a-z]*@secret\.example/g, '$1***@***')
}

/** What the bank says it saw, without headers: those are the client's directly, and the gateway's through it. */
export function asSeen(text: string): string {
  const { method, target, bytes, sha256 }: Readonly<Record<string, unknown>> = Object(JSON.parse(text))
  return JSON.stringify({ method, target, bytes, sha256 })
}
