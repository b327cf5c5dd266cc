import { MaskingKey } from '../../../engine/index.ts'
import { MASKING_KEY } from './form.ts'

/** One request and what must become of it, whatever the form. */
export interface HttpCase {
  readonly name: string
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly status: number
  /** Texts that the answer has, and has not. */
  readonly has?: readonly string[]
  readonly hasNot?: readonly string[]
  /** Whether the bank sees it. */
  readonly reaches: boolean
  /** What the Envoy form does instead, as safe. `closed`: Envoy ends the connection without a word. */
  readonly envoy?: { readonly status: number | 'closed' }
}

const JSON_TYPE = { 'content-type': 'application/json' }

export const CASES: readonly HttpCase[] = [
  {
    name: 'a field is masked where it stands, and no other byte changes',
    path: '/customers/1',
    status: 200,
    has: [
      '{ "zebra":1, "id" : 1,\n\t"name":"Alice Archer", "balance": 90071992547409931.10, "ssn":"*******1111", "contact": {"email" :"a***@***"',
      `,"phone":"${new MaskingKey('tests', Buffer.from(MASKING_KEY, 'hex')).pseudonym('+15550000001')}"}`,
    ],
    reaches: true,
  },
  { name: 'in every element of a list', path: '/customers', status: 200, has: ['*******5555'], reaches: true },
  { name: 'in every line', path: '/customers.ndjson', status: 200, has: ['"ssn":"*******3333"'], reaches: true },
  {
    name: 'in a column',
    path: '/customers.csv',
    status: 200,
    has: ['4,Dmitri Dahl,*******4444,"says ""hi"", often"'],
    reaches: true,
  },
  {
    name: 'in a form',
    path: '/customers.form',
    status: 200,
    has: ['name=Alice+Archer&ssn=*******1111'],
    reaches: true,
  },
  {
    name: 'in every event, and not in comments',
    path: '/events',
    status: 200,
    has: ['"ssn":"*******2222"', 'data: [DONE]'],
    hasNot: ['900-99-9999'],
    reaches: true,
  },
  { name: 'in what an upstream says of a failure', path: '/failing', status: 500, has: ['*******1111'], reaches: true },
  { name: 'text has no fields: withheld', path: '/customers.txt', status: 502, has: ['withheld'], reaches: true },
  { name: 'what is no JSON is withheld', path: '/html-as-json', status: 502, has: ['withheld'], reaches: true },
  { name: 'what is encoded is withheld', path: '/gzip', status: 502, reaches: true },
  { name: 'a part of a whole is withheld', path: '/partial', status: 502, reaches: true },
  {
    name: 'trailers beside a mask are withheld',
    path: '/trailers',
    status: 502,
    reaches: true,
    envoy: { status: 200 }, // which has no trailers: the body comes, masked
  },
  {
    name: 'validators, cookies and labelled headers go',
    path: '/tagged',
    status: 200,
    hasNot: ['etag', 'set-cookie', 'location'],
    reaches: true,
  },
  {
    name: 'HEAD tells nothing of the body',
    method: 'HEAD',
    path: '/customers/1',
    status: 200,
    hasNot: ['etag', 'content-length'],
    reaches: true,
  },
  { name: 'nothing comes of 204', method: 'DELETE', path: '/customers/1', status: 204, reaches: true },
  {
    name: 'a range of a masked answer is the whole',
    path: '/customers/1',
    headers: { range: 'bytes=0-10' },
    status: 200,
    has: ['*******1111'],
    reaches: true,
  },
  {
    name: 'an alias of GraphQL is no way round',
    method: 'POST',
    path: '/graphql',
    headers: JSON_TYPE,
    body: '{"query":"{ customer(id: 1) { x: ssn } }"}',
    status: 200,
    has: ['"x":"*******1111"'],
    reaches: true,
  },
  {
    name: 'nor one in a fragment',
    method: 'POST',
    path: '/graphql',
    headers: JSON_TYPE,
    body: '{"query":"query Q { customer(id: 2) { ...F } } fragment F on Customer { code: ssn }"}',
    status: 200,
    has: ['"code":"*******2222"'],
    reaches: true,
  },
  {
    name: 'what goes up is masked too',
    method: 'POST',
    path: '/transfers',
    headers: JSON_TYPE,
    body: '{"amount": 1e400, "memo" : "secret memo"}',
    status: 201,
    has: ['{"amount": 1e400, "memo" : "[redacted]"}'],
    hasNot: ['secret memo'],
    reaches: true,
  },
  {
    name: 'a refused path',
    path: '/admin/users',
    status: 403,
    has: ['refused-for-the-test', '"decision"'],
    reaches: false,
  },
  { name: 'a refused path in other letters', path: '/%61dmin/users', status: 403, reaches: false },
  { name: 'a held path', path: '/held/1', status: 409, has: ['approval-pending', 'retry-after'], reaches: false },
  {
    name: 'a key that comes twice',
    method: 'POST',
    path: '/transfers',
    headers: JSON_TYPE,
    body: '{"amount":1,"amount":2}',
    status: 400,
    has: ['ERR_NORMALIZE_BODY'],
    reaches: false,
  },
  {
    name: 'a key that comes twice, escaped',
    method: 'POST',
    path: '/transfers',
    headers: JSON_TYPE,
    body: '{"amount":1,"\\u0061mount":2}',
    status: 400,
    reaches: false,
  },
  {
    name: 'JSON that is none',
    method: 'POST',
    path: '/transfers',
    headers: JSON_TYPE,
    body: '{amount:1}',
    status: 400,
    reaches: false,
  },
  {
    name: 'an encoded body',
    method: 'POST',
    path: '/transfers',
    headers: { ...JSON_TYPE, 'content-encoding': 'gzip' },
    body: 'x',
    status: 400,
    reaches: false,
  },
  {
    name: 'a multipart body with a field named twice in one part',
    method: 'POST',
    path: '/transfers',
    headers: { 'content-type': 'multipart/form-data; boundary=x' },
    body: '--x\r\ncontent-disposition: form-data; name="a"; name="b"\r\n\r\n1\r\n--x--',
    status: 400,
    reaches: false,
  },
  {
    name: 'another target in a header',
    path: '/echo',
    headers: { 'x-original-url': '/admin' },
    status: 400,
    reaches: false,
  },
  {
    name: 'a header with an underscore',
    path: '/echo',
    headers: { x_user: 'root' },
    status: 400,
    reaches: false,
    envoy: { status: 'closed' },
  },
  { name: 'TRACE, which would give credentials back', method: 'TRACE', path: '/echo', status: 501, reaches: false },
  {
    name: 'a body that nobody has to read goes through',
    method: 'POST',
    path: '/echo',
    headers: { 'content-type': 'application/octet-stream' },
    body: 'opaque',
    status: 200,
    has: ['"bytes":6'],
    reaches: true,
  },
  {
    name: 'without cookies and the client’s own token',
    path: '/echo',
    headers: { cookie: 'a=1', 'x-forwarded-for': '1.2.3.4' },
    status: 200,
    has: ['Bearer upstream-token'],
    hasNot: ['a=1', '1.2.3.4'],
    reaches: true,
  },
]
