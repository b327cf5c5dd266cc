import type { Socket } from 'node:net'
import { Client } from 'pg'
import { encodeFrontend } from '../../planes/postgres/codec/frontend-messages.ts'
import { Writer } from '../../planes/postgres/codec/writer.ts'
import { connectUpstream } from '../../planes/postgres/upstream.ts'
import { openRawSession, untilReady } from '../support/raw-session.ts'
import type { Path } from './paths.ts'
import type { Target } from './pgbench.ts'
import { processorMicros } from './processor-time.ts'

/** A result to fetch. `times`: as often as it takes for processor time, which comes in hundredths of a second, to tell. */
export interface Answer {
  readonly name: string
  readonly sql: string
  readonly times: number
}

export interface AnswerSample {
  readonly answer: string
  readonly target: string
  readonly megabytesPerSecond: number
  /** From the query's sending to the first byte of its first row. */
  readonly firstRowMs: number
  /** Of the process between, per megabyte that came; null for none and where it can't be known. */
  readonly cpuMsPerMegabyte: number | null
}

const ROWS = [
  { rows: 10, times: 2000 },
  { rows: 1000, times: 200 },
  { rows: 200_000, times: 2 },
] as const
const MOST_ROWS = 200_000
const COLUMNS = 'id, name, ssn, email, phone, dob'

/** The same rows in a table that nobody protects, and in one whose identifiers the starter policy masks. */
export const SELECTS: readonly Answer[] = ROWS.flatMap(({ rows, times }) => [
  { name: `${rows} rows`, times, sql: `SELECT ${COLUMNS} FROM public.bench_rows LIMIT ${rows}` },
  {
    name: `${rows} rows, 4 columns masked`,
    times,
    sql: `SELECT ${COLUMNS} FROM public.customers_archive LIMIT ${rows}`,
  },
])
/** Agents may not copy under the starter policy, so this is asked where everything is allowed. */
export const COPIES: readonly Answer[] = [
  { name: `COPY of ${MOST_ROWS} rows`, times: 2, sql: 'COPY public.bench_rows TO STDOUT' },
]

/** Fills both tables. */
export async function fillTables(target: Target): Promise<void> {
  const client = new Client(target)
  await client.connect()
  try {
    await client.query(`CREATE TABLE public.bench_rows AS SELECT i AS id, 'Customer ' || i AS name,
      lpad(i::text, 9, '0') AS ssn, 'customer' || i || '@example.org' AS email, '+1 555 ' || lpad(i::text, 7, '0') AS phone,
      date '1950-01-01' + i % 18000 AS dob FROM generate_series(1, ${MOST_ROWS}) i`)
    await client.query('INSERT INTO public.customers_archive SELECT * FROM public.bench_rows')
    await client.query('VACUUM ANALYZE public.bench_rows, public.customers_archive')
  } finally {
    await client.end()
  }
}

/** Fetches an answer over and over; nothing is done with what comes but to count it. */
export async function fetchAnswer({ target, pid }: Path, { name, sql, times }: Answer): Promise<AnswerSample> {
  const socket = await openSession(target)
  try {
    const query = new Writer()
    encodeFrontend(query, { kind: 'query', sql })
    const bytes = query.take()
    await fetchOnce(socket, bytes) // warm
    const before = pid === null ? null : await processorMicros(pid)
    const started = performance.now()
    let [received, firstRowMs] = [0, 0]
    for (let time = 0; time < times; time += 1) {
      const one = await fetchOnce(socket, bytes)
      received += one.bytes
      firstRowMs += one.firstRowMs / times
    }
    const seconds = (performance.now() - started) / 1000
    const after = pid === null ? null : await processorMicros(pid)
    const megabytes = received / 1e6
    const cpuMsPerMegabyte = before === null || after === null ? null : (after - before) / 1000 / megabytes
    return { answer: name, target: target.name, megabytesPerSecond: megabytes / seconds, firstRowMs, cpuMsPerMegabyte }
  } finally {
    socket.destroy()
  }
}

/** A session at its first ReadyForQuery. */
async function openSession(target: Target): Promise<Socket> {
  if (target.name === 'gateway') return openRawSession(target, target)
  const { host, port, user, password, database } = target
  const config = { host, port, user, password, database, tls: { mode: 'off' }, connectTimeoutMs: 10_000 } as const
  return (await connectUpstream(config, new Map([['database', database]]))).socket
}

async function fetchOnce(
  socket: Socket,
  query: Buffer,
): Promise<{ readonly bytes: number; readonly firstRowMs: number }> {
  const sent = performance.now()
  let [bytes, firstRowMs, head] = [0, 0, 0]
  socket.write(query)
  await untilReady(socket, (chunk) => {
    if (bytes === 0) head = descriptionLength(chunk)
    bytes += chunk.length
    if (firstRowMs === 0 && bytes > head) firstRowMs = performance.now() - sent
  })
  return { bytes, firstRowMs }
}

const ERROR = 0x45

/** What describes the rows comes ahead of them: RowDescription or CopyOutResponse. */
function descriptionLength(chunk: Buffer): number {
  if (chunk[0] === ERROR) throw new Error(`refused: ${chunk.toString('latin1')}`)
  return 1 + chunk.readInt32BE(1)
}
