import { once } from 'node:events'
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, errors, request } from 'undici'
import { FAULTS, type Fault, PARTS } from './envoy-faults.ts'
import { freePort } from './free-port.ts'
import { GrpcMiddleman, type Part } from './grpc-middleman.ts'
import { type HttpStack, startHttpStack } from './http-stack.ts'

export type Mode = 'buffered' | 'streamed'

export interface FaultRow {
  readonly mode: Mode
  readonly part: Part | 'any'
  readonly fault: string
  /** What the client got: a status, or how its connection ended. */
  readonly got: string
  /** Something that policy masks, or that nobody released, reached the client. */
  readonly canary: boolean
  /** Upstream saw a request that policy refuses, or that nothing had decided. */
  readonly forbidden: number
  /** From the end of the fault to the first good answer. */
  readonly recoveredMs: number
}

const CANARY = 'CANARY-7731'
const MASKED_PATH = '/masked'
const STREAM_PATH = '/stream'
const DENIED_PATH = '/denied'
const STREAM_CHUNKS = 12
const CHUNK = `${CANARY} `.repeat(1500)
const PATIENCE_MS = 30_000

/** What a client was told. */
interface Got {
  readonly text: string
  /** Bytes of a body that are not blanked. */
  readonly shown: number
  readonly told: string
}

/** An API whose answers hold canaries, and that counts who came. */
interface Canaries {
  readonly url: string
  readonly hits: Map<string, number>
  stop(): void
}

async function startCanaries(): Promise<Canaries> {
  const hits = new Map<string, number>()
  const server = createServer((incoming, outgoing) => {
    const path = incoming.url ?? ''
    incoming.resume().on('end', () => {
      hits.set(path, (hits.get(path) ?? 0) + 1)
      if (path !== STREAM_PATH) {
        outgoing.setHeader('content-type', 'application/json')
        outgoing.end(JSON.stringify({ name: 'Alice', ssn: CANARY }))
        return
      }
      outgoing.writeHead(200, { 'content-type': 'text/plain', 'content-length': CHUNK.length * STREAM_CHUNKS })
      void (async () => {
        for (let chunk = 0; chunk < STREAM_CHUNKS; chunk += 1) {
          outgoing.write(CHUNK)
          await sleep(5)
        }
        outgoing.end()
      })()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { url: `http://127.0.0.1:${port}`, hits, stop: () => server.close().closeAllConnections() }
}

/** A gateway, its Envoy, and somebody between them who does what is asked. */
export class FaultBench {
  readonly #stack: HttpStack
  readonly #middleman: GrpcMiddleman
  readonly #canaries: Canaries
  readonly #mode: Mode
  /** Nothing is masked here: answers go as they come, and only what was released may be seen. */
  readonly #streams: boolean

  static async open(mode: Mode, streams: boolean): Promise<FaultBench> {
    const canaries = await startCanaries()
    const middleman = new GrpcMiddleman(await freePort())
    await middleman.listen()
    const stack = await startHttpStack({
      upstream: canaries.url,
      denyPaths: [DENIED_PATH],
      ...(streams ? {} : { maskFields: ['ssn'] }),
      envoy: {
        dial: `127.0.0.1:${middleman.port}`,
        responses: mode,
        onGateway: (processor) => (middleman.target = processor),
      },
    })
    return new FaultBench(stack, middleman, canaries, mode, streams)
  }

  private constructor(stack: HttpStack, middleman: GrpcMiddleman, canaries: Canaries, mode: Mode, streams: boolean) {
    this.#stack = stack
    this.#middleman = middleman
    this.#canaries = canaries
    this.#mode = mode
    this.#streams = streams
  }

  get stack(): HttpStack {
    return this.#stack
  }

  async close(): Promise<void> {
    await this.#stack.stop()
    await this.#middleman.close()
    this.#canaries.stop()
  }

  async run(part: Part, fault: Fault, spare = 0): Promise<FaultRow> {
    this.#canaries.hits.clear()
    const path = this.#streams ? STREAM_PATH : MASKED_PATH
    this.#middleman.arm({ part, act: fault.act, spare })
    const got = await this.#send(path)
    if (this.#middleman.done === 0) throw new Error(`${part}, ${fault.name}: the fault was not met`)
    const isRequest = part === 'request_headers' || part === 'request_body'
    const denied = isRequest ? await this.#send(DENIED_PATH) : null
    const isUndecided = isRequest && fault.harmless !== true && !(fault.answers && part === 'request_body')
    const undecided = isUndecided ? (this.#canaries.hits.get(path) ?? 0) : 0
    const forbidden = undecided + (this.#canaries.hits.get(DENIED_PATH) ?? 0)
    this.#middleman.disarm()
    const isShown = this.#streams ? got.shown > this.#middleman.released : got.text.includes(CANARY)
    const canary = isShown || (denied?.text.includes(CANARY) ?? false)
    const name = spare === 0 ? fault.name : `${fault.name}, later`
    return {
      mode: this.#mode,
      part,
      fault: name,
      got: got.told,
      canary,
      forbidden,
      recoveredMs: await this.#recovered(),
    }
  }

  /** Nobody is there who could judge. */
  async runDown(): Promise<FaultRow> {
    this.#canaries.hits.clear()
    await this.#middleman.down()
    const path = this.#streams ? STREAM_PATH : MASKED_PATH
    const got = await this.#send(path)
    await this.#send(DENIED_PATH)
    const forbidden = [...this.#canaries.hits.values()].reduce((sum, hits) => sum + hits, 0)
    await this.#middleman.listen()
    const canary = got.text.includes(CANARY)
    const recoveredMs = await this.#recovered()
    return { mode: this.#mode, part: 'any', fault: 'down', got: got.told, canary, forbidden, recoveredMs }
  }

  async #send(path: string): Promise<Got> {
    const { url } = this.#stack.line.gateway
    const headers = {
      authorization: `Bearer ${this.#stack.line.principals.agent.token}`,
      'content-type': 'application/json',
    }
    const dispatcher = new Agent({ connections: 1, pipelining: 0 })
    let text = ''
    let shown = 0
    try {
      const signal = AbortSignal.timeout(PATIENCE_MS)
      const answer = await request(`${url}${path}`, {
        method: 'POST',
        headers,
        body: '{"hello":1}',
        dispatcher,
        signal,
      })
      text = JSON.stringify(answer.headers)
      answer.body.setEncoding('latin1')
      for await (const chunk of answer.body) {
        text += String(chunk)
        if (answer.statusCode === 200) shown += String(chunk).replaceAll('\0', '').length
      }
      const blanked = text.includes('\0') ? ', blanked' : ''
      return { text, shown, told: `${answer.statusCode}${blanked}` }
    } catch (error) {
      const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
      return {
        text,
        shown,
        told: error instanceof errors.HTTPParserError ? 'cut off' : typeof code === 'string' ? code : String(error),
      }
    } finally {
      await dispatcher.destroy()
    }
  }

  async #recovered(): Promise<number> {
    const begun = performance.now()
    for (;;) {
      const { told, text } = await this.#send(MASKED_PATH)
      const ms = performance.now() - begun
      if (told === '200' && (this.#streams || !text.includes(CANARY))) return Math.round(ms)
      if (ms > PATIENCE_MS)
        throw new Error(`no good answer within ${PATIENCE_MS} ms: ${told}\n${this.#stack.envoy?.log ?? ''}`)
      await sleep(10)
    }
  }
}

/** All faults in all phases; a whole answer that is masked, or a streamed one that isn't. */
export async function runFaults(mode: Mode, streams: boolean, onRow: (row: FaultRow) => void): Promise<void> {
  const bench = await FaultBench.open(mode, streams)
  try {
    onRow(await bench.runDown())
    for (const part of PARTS) for (const fault of FAULTS) onRow(await bench.run(part, fault))
    if (!streams) return
    for (const fault of FAULTS) onRow(await bench.run('response_body', fault, 3))
  } finally {
    await bench.close()
  }
}
