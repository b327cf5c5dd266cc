import { createHash, hash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createHttp2, type Http2Server, type Http2ServerRequest } from 'node:http2'
import type { Socket } from 'node:net'
import { buildSchema, graphql } from 'graphql'

/** What a request looked like when it came to the API. */
export interface SeenRequest {
  readonly method: string
  readonly target: string
  readonly headers: readonly string[]
  readonly bytes: number
  readonly sha256: string
  readonly aborted: boolean
}

export interface BankApi {
  readonly url: string
  /** Every request that came, in order. */
  readonly seen: readonly SeenRequest[]
  stop(): Promise<void>
}

type Asked = IncomingMessage | Http2ServerRequest
/** What both protocols' responses do alike. */
interface Answered {
  writeHead(status: number, headers: Record<string, string | number>): unknown
  write(chunk: string | Buffer): boolean
  end(chunk?: string | Buffer): unknown
  addTrailers(headers: Record<string, string>): void
  on(event: string, listener: () => void): unknown
  once(event: string, listener: () => void): unknown
}
type Route = (asked: Asked, answered: Answered, body: Buffer, url: URL) => void | Promise<void>

/** The people of data/bank.sql; every sensitive value is found by a search for it. */
export const CUSTOMERS = [
  {
    id: 1,
    name: 'Alice Archer',
    ssn: '900-11-1111',
    email: 'alice@secret.example',
    phone: '+15550000001',
    dob: '1981-01-11',
  },
  {
    id: 2,
    name: 'Bob Becker',
    ssn: '900-22-2222',
    email: 'bob@secret.example',
    phone: '+15550000002',
    dob: '1982-02-12',
  },
  {
    id: 3,
    name: 'Carla Cruz',
    ssn: '900-33-3333',
    email: 'carla@secret.example',
    phone: '+15550000003',
    dob: '1983-03-13',
  },
  { id: 4, name: 'Dmitri Dahl', ssn: '900-44-4444', email: 'dmitri@secret.example', phone: null, dob: '1984-04-14' },
  { id: 5, name: 'Eve Etxea', ssn: '900-55-5555', email: 'eve@secret.example', phone: '+15550000005', dob: null },
] as const

type Customer = (typeof CUSTOMERS)[number]

/** Numbers that no double holds, white space and an order of keys that no serializer would choose. */
export function customerText({ id, name, ssn, email, phone, dob }: Customer): string {
  return `{ "zebra":1, "id" : ${id},\n\t"name":${JSON.stringify(name)}, "balance": 90071992547409931.10, "ssn":"${ssn}", "contact": {"email" :"${email}","phone":${JSON.stringify(phone)}},"dob":${JSON.stringify(dob)} }`
}

const ROUTES: readonly (readonly [string, RegExp, Route])[] = [
  ['GET', /^\/$/, (_asked, answered) => json(answered, '{"bank":"api"}')],
  ['GET', /^\/customers$/, (_asked, answered) => json(answered, `[${CUSTOMERS.map(customerText).join(', ')}]`)],
  ['GET', /^\/customers\/(\d+)$/, customer],
  ['HEAD', /^\/customers\/(\d+)$/, customer],
  ['DELETE', /^\/customers\/(\d+)$/, (_asked, answered) => send(answered, 204, {}, '')],
  [
    'GET',
    /^\/customers\.ndjson$/,
    (_asked, answered) =>
      send(
        answered,
        200,
        { 'content-type': 'application/x-ndjson' },
        CUSTOMERS.map((each) => JSON.stringify(each)).join('\n'),
      ),
  ],
  ['GET', /^\/customers\.csv$/, (_asked, answered) => send(answered, 200, { 'content-type': 'text/csv' }, csv())],
  [
    'GET',
    /^\/customers\.txt$/,
    (_asked, answered) =>
      send(
        answered,
        200,
        { 'content-type': 'text/plain; charset=utf-8' },
        CUSTOMERS.map(({ name, ssn }) => `${name}: ${ssn}`).join('\n'),
      ),
  ],
  [
    'GET',
    /^\/customers\.form$/,
    (_asked, answered) =>
      send(answered, 200, { 'content-type': 'application/x-www-form-urlencoded' }, `name=Alice+Archer&ssn=900-11-1111`),
  ],
  ['GET', /^\/events$/, events],
  ['GET', /^\/ticks$/, ticks],
  ['GET', /^\/html-as-json$/, (_asked, answered) => json(answered, '<html>900-11-1111</html>')],
  [
    'GET',
    /^\/gzip$/,
    (_asked, answered) =>
      send(answered, 200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }, '{"ssn":"900-11-1111"}'),
  ],
  [
    'GET',
    /^\/partial$/,
    (_asked, answered) =>
      send(
        answered,
        206,
        { 'content-type': 'application/json', 'content-range': 'bytes 0-20/100' },
        '{"ssn":"900-11-1111"}',
      ),
  ],
  [
    'GET',
    /^\/tagged$/,
    (_asked, answered) =>
      send(
        answered,
        200,
        {
          'content-type': 'application/json',
          etag: '"900-11-1111"',
          location: '/customers/900-11-1111',
          'set-cookie': 'sid=900-11-1111',
        },
        '{"ssn":"900-11-1111"}',
      ),
  ],
  [
    'GET',
    /^\/failing$/,
    (_asked, answered) =>
      send(answered, 500, { 'content-type': 'application/json' }, '{"error":{"ssn":"900-11-1111"}}'),
  ],
  ['GET', /^\/trailers$/, trailers],
  ['GET', /^\/large$/, large],
  ['GET', /^\/slow$/, (_asked, answered) => void setTimeout(() => json(answered, '{}'), 30_000).unref()],
  [
    'POST',
    /^\/transfers$/,
    (_asked, answered, body) =>
      send(
        answered,
        201,
        { 'content-type': 'application/json', location: '/transfers/7' },
        body.length === 0 ? '{}' : body,
      ),
  ],
  ['POST', /^\/graphql$/, query],
]

/** A small bank over HTTP, so that there is something to stand in front of. `echo` answers any path with what came. */
export async function startBankApi({ http2 = false }: { readonly http2?: boolean } = {}): Promise<BankApi> {
  const seen: SeenRequest[] = []
  const serve = (asked: Asked, answered: Answered): void => void answer(asked, answered, seen)
  const server: Server | Http2Server = http2 ? createHttp2() : createServer({ shouldUpgradeCallback: isWebSocket })
  server.on('request', serve)
  server.on('upgrade', (asked: IncomingMessage, socket: Socket, early: Buffer) => {
    seen.push({
      method: 'GET',
      target: asked.url ?? '',
      headers: asked.rawHeaders,
      bytes: 0,
      sha256: '',
      aborted: false,
    })
    socket.on('error', () => undefined)
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello ')
    socket.write(early)
    socket.pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the bank listens nowhere')
  return {
    url: `http://127.0.0.1:${address.port}`,
    seen,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        if ('closeAllConnections' in server) server.closeAllConnections()
      }),
  }
}

/** Java's client offers HTTP/2 over an upgrade, which a server may leave alone. */
function isWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket'
}

async function answer(asked: Asked, answered: Answered, seen: SeenRequest[]): Promise<void> {
  const sum = createHash('sha256')
  const chunks: Buffer[] = []
  let bytes = 0
  let aborted = false
  answered.on('error', () => undefined)
  try {
    for await (const piece of asked) {
      const chunk: Buffer = piece
      sum.update(chunk)
      bytes += chunk.length
      if (bytes < 1024 * 1024) chunks.push(chunk)
    }
  } catch {
    aborted = true
  }
  const { method = '', url: target = '' } = asked
  const sha256 = sum.digest('hex')
  seen.push({ method, target, headers: asked.rawHeaders, bytes, sha256, aborted })
  if (aborted) return
  const url = new URL(target, 'http://bank.example')
  const route = ROUTES.find(([verb, path]) => verb === method && path.test(url.pathname))
  if (route === undefined) json(answered, JSON.stringify({ method, target, headers: asked.rawHeaders, bytes, sha256 }))
  else await route[2](asked, answered, Buffer.concat(chunks), url)
}

function send(
  answered: Answered,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string | Buffer,
): void {
  answered.writeHead(status, status === 204 ? headers : { ...headers, 'content-length': Buffer.byteLength(body) })
  if (status === 204) answered.end()
  else answered.end(body)
}

function json(answered: Answered, body: string): void {
  send(answered, 200, { 'content-type': 'application/json', etag: `"${hash('sha256', body).slice(0, 8)}"` }, body)
}

function customer(_asked: Asked, answered: Answered, _body: Buffer, url: URL): void {
  const found = CUSTOMERS.find(({ id }) => url.pathname === `/customers/${id}`)
  if (found === undefined) send(answered, 404, { 'content-type': 'application/json' }, '{"error":"no such customer"}')
  else json(answered, customerText(found))
}

function csv(): string {
  return [
    'id,name,ssn,"note"',
    ...CUSTOMERS.map(({ id, name, ssn }) => `${id},${name},${ssn},"says ""hi"", often"`),
  ].join('\r\n')
}

function events(_asked: Asked, answered: Answered): void {
  answered.writeHead(200, { 'content-type': 'text/event-stream' })
  for (const each of CUSTOMERS) answered.write(`: 900-99-9999\nevent: customer\ndata: ${JSON.stringify(each)}\n\n`)
  answered.end('data: [DONE]\n\n')
}

/** One event after the other, until nobody listens. */
function ticks(_asked: Asked, answered: Answered): void {
  answered.writeHead(200, { 'content-type': 'text/event-stream' })
  const timer = setInterval(() => answered.write('data: {"ssn":"900-11-1111"}\n\n'), 20)
  answered.on('close', () => clearInterval(timer))
}

function trailers(_asked: Asked, answered: Answered): void {
  answered.writeHead(200, { 'content-type': 'application/json', trailer: 'x-sum' })
  answered.write('{"ssn":"900-11-1111"}')
  answered.addTrailers({ 'x-sum': '900-11-1111' })
  answered.end()
}

const BLOCK = Buffer.alloc(64 * 1024, 'x')

function large(_asked: Asked, answered: Answered, _body: Buffer, url: URL): void {
  let left = Number(url.searchParams.get('bytes') ?? '1048576')
  answered.writeHead(200, {
    'content-type': url.searchParams.get('type') ?? 'application/octet-stream',
    'content-length': left,
  })
  const more = (): void => {
    while (left > 0) {
      const block = BLOCK.subarray(0, Math.min(left, BLOCK.length))
      left -= block.length
      if (left === 0) return void answered.end(block)
      if (!answered.write(block)) return void answered.once('drain', more)
    }
  }
  more()
}

const SCHEMA = buildSchema(
  'type Query { customer(id: Int!): Customer } type Mutation { close(id: Int!): Customer } type Customer { id: Int! name: String ssn: String }',
)

function find({ id }: { id: number }): Customer | undefined {
  return CUSTOMERS.find((each) => each.id === id)
}

async function query(_asked: Asked, answered: Answered, body: Buffer): Promise<void> {
  const sent: Readonly<Record<string, unknown>> = Object(JSON.parse(body.toString('utf8')))
  const { query: source, operationName } = sent
  const result = await graphql({
    schema: SCHEMA,
    source: String(source),
    rootValue: { customer: find, close: find },
    ...(typeof operationName === 'string' ? { operationName } : {}),
  })
  json(answered, JSON.stringify(result))
}
