import type { Answer, HeaderLine } from '../../message.ts'
import { responseHead } from './heads.ts'

/** Envoy's refusals that a client may see for what they are; others become 502. */
const REFUSALS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  404: 'Not Found',
  408: 'Request Timeout',
  413: 'Content Too Large',
  431: 'Request Header Fields Too Large',
}

/**
 * Envoy refused a request by itself before it was decided: a path that it won't read, a body beyond its buffer. Nothing of
 * what stands in that answer is passed on but its status, so it doesn't matter who made it.
 */
export function answeredByEnvoy(lines: readonly HeaderLine[]): Answer {
  const found = responseHead(lines).status
  const status = REFUSALS[found] === undefined ? 502 : found
  const title = REFUSALS[status] ?? 'Bad Gateway'
  const problem = { type: 'about:blank', title, status, detail: 'the request was refused before it was decided' }
  return {
    status,
    headers: [
      ['content-type', 'application/problem+json'],
      ['cache-control', 'no-store'],
    ],
    body: Buffer.from(JSON.stringify(problem)),
    trailers: [],
  }
}
