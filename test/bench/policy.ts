import { readFile } from 'node:fs/promises'
import { isDeepStrictEqual, parseArgs } from 'node:util'
import { constant, sealRequest, type AccessRequest, type Resource } from '../../engine/access-request.ts'
import { openBundle, PolicyStore, readEvaluation, type ActivePolicy } from '../../engine/policy/index.ts'
import { AGENT, BINDING_KEY, request } from '../support/rooms.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { opaBinary, OpaLibrary, OpaServer, writeForOpa, type Timed } from './opa/opa.ts'
import { aligned, median } from './report.ts'

const BUNDLE = 'policies/dist/starter.tar.gz'
const SIZES = [512, 2048, 16_384] as const
/** A cached answer takes less than a clock can tell. */
const CACHED_AT_ONCE = 200

interface Sample {
  readonly way: string
  readonly bytes: number
  readonly nanoseconds: readonly number[]
}

/**
 * `npm run bench -- policy`: one decision of the starter pack's entrypoint for SQL, by request size: the gateway's module in
 * this process, an answer that it knows already, OPA's Go library (in its own process, timed there) and OPA's server over a
 * connection that stays open. Round by round in turn, all begin with the request's JSON; the first answer of each must be the
 * same.
 */
export async function benchPolicy(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      runs: { type: 'string', default: '300' },
      rounds: { type: 'string', default: '7' },
      json: { type: 'boolean' },
    },
  })
  const [runs, rounds] = [Number(values.runs), Number(values.rounds)]
  const policy = await openBundle(BUNDLE, { kind: 'unsigned' })
  await using opened = new AsyncDisposableStack()
  const directory = opened.adopt(temporaryDirectory(), (temporary) => temporary[Symbol.dispose]()).path
  const { sources }: { readonly sources: readonly string[] } = JSON.parse(
    await readFile('policies/starter.json', 'utf8'),
  )
  await writeForOpa(directory, sources, policy.data)
  const binary = await opaBinary()
  const library = opened.adopt(new OpaLibrary(binary, directory), (each) => each.stop())
  const server = opened.adopt(await OpaServer.start(binary, directory), (each) => each.stop())
  const samples: Sample[] = []
  for (let round = 0; round <= rounds; round += 1) {
    for (const size of SIZES) {
      const asked = requestOf(policy, size)
      const { json } = sealRequest(asked, BINDING_KEY)
      const ways: readonly (readonly [string, Timed])[] = [
        ['module', inProcess(policy, json, runs)],
        ['module, known', known(policy, asked, runs)],
        ['OPA library', await library.decide('data.countersign.postgres.verdict', json, runs)],
        ['OPA server', await server.decide('countersign/postgres/verdict', json, runs)],
      ]
      checkAlike(ways)
      if (round === 0) continue // everybody has compiled what there is to compile
      const bytes = Buffer.byteLength(json)
      samples.push(...ways.map(([way, { nanoseconds }]) => ({ way, bytes, nanoseconds })))
    }
  }
  const lines = summarize(samples)
  process.stdout.write(values.json === true ? `${JSON.stringify(lines, null, 2)}\n` : `${table(lines)}\n`)
  return 0
}

const bytesOf = (asked: AccessRequest): number => Buffer.byteLength(sealRequest(asked, BINDING_KEY).json)

const column = (at: number): Resource['parts'][number] => ({
  name: at === 0 ? 'ssn' : `column_${at}`,
  labels: at === 0 ? ['pii'] : [],
  uses: ['output'],
})

/** A read of labelled and other columns, as large as wanted. */
function requestOf(policy: ActivePolicy, size: number): AccessRequest {
  const store = new PolicyStore()
  store.activate(policy)
  const rooms = { policy: store, clock: Date.parse('2026-11-23T09:00:00.000Z') }
  const ofColumns = (count: number): AccessRequest => {
    const parts = Array.from({ length: count }, (_part, at) => column(at))
    const resources = constant([{ type: 'table', name: 'public.customers', labels: [], parts }])
    return request(rooms, { resources })
  }
  let count = 1
  while (bytesOf(ofColumns(count + 1)) <= size) count += 1
  return { ...ofColumns(count), principal: constant({ ...AGENT }) }
}

function inProcess(policy: ActivePolicy, json: string, runs: number): Timed {
  const nanoseconds: number[] = []
  let result: unknown
  for (let at = 0; at < runs; at += 1) {
    const start = process.hrtime.bigint()
    result = policy.evaluateAgain('postgres', json, 0, null)
    nanoseconds.push(Number(process.hrtime.bigint() - start))
  }
  return { nanoseconds, result }
}

/** What the gateway does with a request like one before: sealed, and looked up by what the policy reads. */
function known(policy: ActivePolicy, asked: AccessRequest, runs: number): Timed {
  const nanoseconds: number[] = []
  let result: unknown
  for (let at = 0; at < runs; at += 1) {
    const requests = Array.from({ length: CACHED_AT_ONCE }, () => sealRequest(asked, BINDING_KEY))
    const start = process.hrtime.bigint()
    for (const sealed of requests) result = policy.evaluate('postgres', sealed, 0)
    nanoseconds.push(Number(process.hrtime.bigint() - start) / CACHED_AT_ONCE)
  }
  return { nanoseconds, result }
}

/** They are timed at the same work, or not at all. */
function checkAlike(ways: readonly (readonly [string, Timed])[]): void {
  const [first, ...others] = ways.map(([way, { result }]) => ({ way, answer: evaluationOf(result) }))
  const other = others.find(({ answer }) => !isDeepStrictEqual(answer, first?.answer))
  if (other !== undefined)
    throw new Error(`${other.way} answers ${JSON.stringify(other.answer)}, not ${JSON.stringify(first?.answer)}`)
}

/** The gateway's answers were read already; OPA's are the verdict as JSON. */
function evaluationOf(result: unknown): unknown {
  const { verdict, reasons } =
    typeof Object(result).verdict === 'string' ? readEvaluation(Object(result)) : Object(result)
  return { verdict, reasons }
}

interface Line {
  readonly bytes: number
  readonly way: string
  readonly p50Micros: number
  readonly p99Micros: number
  /** p50 over the module's, medians of the same rounds. */
  readonly ratio: number
}

function summarize(samples: readonly Sample[]): readonly Line[] {
  const groups = Map.groupBy(samples, ({ bytes, way }) => `${bytes} ${way}`)
  const p50Of = (bytes: number, way: string): number =>
    median((groups.get(`${bytes} ${way}`) ?? []).map(({ nanoseconds }) => quantile(nanoseconds, 0.5)))
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    if (first === undefined) return []
    const { bytes, way } = first
    const p99 = median(group.map(({ nanoseconds }) => quantile(nanoseconds, 0.99)))
    const p50 = p50Of(bytes, way)
    return [{ bytes, way, p50Micros: p50 / 1000, p99Micros: p99 / 1000, ratio: p50 / p50Of(bytes, 'module') }]
  })
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((one, other) => one - other)[Math.floor(share * (values.length - 1))] ?? Number.NaN
}

function table(lines: readonly Line[]): string {
  const head = ['request', 'by', 'p50', 'p99', 'of the module']
  const rows = lines.map(({ bytes, way, p50Micros, p99Micros, ratio }) => [
    `${bytes} B`,
    way,
    `${p50Micros.toFixed(2)} µs`,
    `${p99Micros.toFixed(2)} µs`,
    `${ratio.toFixed(2)} ×`,
  ])
  return aligned(head, rows, 2)
}
