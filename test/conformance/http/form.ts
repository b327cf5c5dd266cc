import { connect } from 'node:net'
import type { SeenRequest } from '../../support/bank-api.ts'

/** A form of planes/http that the suite runs against: Node's own, or Envoy's. */
export interface HttpForm {
  readonly name: string
  readonly url: string
  readonly token: string
  /** Every request that has come to the bank behind it. */
  readonly seen: readonly SeenRequest[]
  /** Answers a hold as an approver. */
  approve(approval: string): Promise<number>
  /** Targets of every request that was recorded as forwarded. */
  forwarded(): readonly string[]
  stop(): Promise<void>
}

/** In hex, of every form: what pseudonyms are made under. */
export const MASKING_KEY: string = 'ab'.repeat(32)

/** What a form is started with, so that the cases mean something. */
export const SUITE_POLICY = {
  mask: {
    'body/**/ssn': 'last4',
    'body/contact/email': 'email',
    'body/contact/phone': 'pseudonym',
    'header.location': 'null',
    'request.body/memo': 'redact',
  },
  unmaskedPaths: ['/large', '/free', '/ws', '/echo'],
  denyPaths: ['/admin'],
  holdPaths: ['/held'],
} as const

/** Bytes over a connection of their own, exactly these; everything that came back until the other side closed, or was silent: it waits for more than was sent. */
export function raw(form: Pick<HttpForm, 'url'>, bytes: string | Buffer, silenceMs: number): Promise<string> {
  const { hostname, port } = new URL(form.url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    const chunks: Buffer[] = []
    socket.setTimeout(silenceMs, () => socket.destroy())
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error)
    })
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
    socket.write(bytes)
  })
}

/** The status of every response in what `raw` gave. */
export function statusesIn(answer: string): readonly number[] {
  return [...answer.matchAll(/^HTTP\/1\.[01] (\d{3}) /gm)].map(([, status]) => Number(status))
}
