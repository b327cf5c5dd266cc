import Fastify from 'fastify'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Witness, WitnessAnswer } from '../engine/evidence/index.ts'
import { ConfigError, CountersignError, EvidenceError } from '../engine/index.ts'
import type { Log } from './log.ts'

export interface WitnessServerOptions {
  readonly witness: Witness
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly log: Log
  /** Its state can't be written any more: the process must end. */
  readonly onFatal: (error: EvidenceError) => void
}

export interface RunningWitness {
  readonly url: string
  /** Waits for the requests that are under way. */
  close(): Promise<void>
}

/** A checkpoint, a proof of 63 hashes, and room for other people's signatures. */
const MAX_BODY_BYTES: number = 16 * 1024
const REQUEST_TIMEOUT_MS = 10_000

/**
 * C2SP tlog-witness over HTTP: `POST /add-checkpoint`. And, of our own, `GET /checkpoint?origin=…`: the newest note that
 * was cosigned for a log, for auditors who hold a directory of evidence against it.
 */
export async function openWitnessServer(options: WitnessServerOptions): Promise<RunningWitness> {
  const { witness, host, port } = options
  const app = Fastify({ bodyLimit: MAX_BODY_BYTES, requestTimeout: REQUEST_TIMEOUT_MS })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.post('/add-checkpoint', async ({ body }, reply) => {
    const answer = await witness.add(decoded(body))
    tell(answer, options.log)
    return send(answer, reply)
  })
  app.get<{ Querystring: { readonly origin?: string } }>('/checkpoint', ({ query }, reply) => {
    const note = witness.latest(query.origin ?? '')
    return typeof note === 'string' ? reply.type(TEXT).send(note) : reply.code(404).type(TEXT).send('none\n')
  })
  answerErrors(app, options)
  const url = await listen(app, host, port)
  return { url, close: () => app.close() }
}

const TEXT = 'text/plain; charset=utf-8'

function send(answer: WitnessAnswer, reply: FastifyReply): FastifyReply {
  switch (answer.kind) {
    case 'cosigned':
      return reply.code(200).type(TEXT).send(answer.lines)
    case 'malformed':
      return reply.code(400).type(TEXT).send('expected old size, proof, empty line, checkpoint of at least that size\n')
    case 'unsigned':
      return reply.code(403).type(TEXT).send('expected a signature by a key of this origin that this witness knows\n')
    case 'unknown':
      return reply.code(404).type(TEXT).send('expected an origin that this witness was told of\n')
    case 'conflict':
      return reply
        .code(409)
        .header('content-type', 'text/x.tlog.size')
        .send(Buffer.from(`${answer.size}\n`))
    case 'inconsistent':
      return reply.code(422).type(TEXT).send(`expected a proof that this continues the ${answer.size} cosigned last\n`)
    default:
      return answer satisfies never
  }
}

// A fork under the log's own key is what a witness is for: its operator must hear of it.
function tell(answer: WitnessAnswer, log: Log): void {
  if (answer.kind === 'cosigned') {
    const { origin, size, root } = answer.checkpoint
    log.debug('witness.cosigned', { origin, size, root: root.toString('hex') })
  } else if (answer.kind === 'conflict' && answer.forked) log.error('witness.forked', { size: answer.size })
  else if (answer.kind === 'inconsistent') log.error('witness.inconsistent', { size: answer.size })
  else log.debug('witness.refused', { why: answer.kind })
}

function decoded(body: unknown): string {
  return Buffer.isBuffer(body) ? body.toString('utf8') : ''
}

function answerErrors(app: FastifyInstance, { log, onFatal }: WitnessServerOptions): void {
  app.setErrorHandler<Error & { readonly statusCode?: number }>((error, _request, reply) => {
    const status = error.statusCode ?? 500
    if (error instanceof EvidenceError && error.fatal) onFatal(error)
    if (status >= 500)
      log.error('witness.failed', { code: error instanceof CountersignError ? error.code : error.name })
    return reply
      .code(status)
      .type(TEXT)
      .send(status >= 500 ? 'the witness failed\n' : `${error.message}\n`)
  })
}

async function listen(app: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    return await app.listen({ host, port })
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown cause'
    const message = `--listen: expected to listen on ${host}:${port}; found that it can't be done (${code})`
    throw new ConfigError('ERR_CONFIG_SHAPE', message, { cause })
  }
}
