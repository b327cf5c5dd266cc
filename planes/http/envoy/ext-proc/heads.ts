import type { HeaderLine, RequestHead, ResponseHead } from '../../message.ts'
import type { Attributes } from './processing-request.ts'

/** A request's head out of Envoy's list, in which what HTTP/1 has on its first line are pseudo headers too. Throws TypeError. */
export function requestHead(lines: readonly HeaderLine[], { protocol }: Attributes): RequestHead {
  const scheme = pseudo(lines, ':scheme')
  if (scheme !== 'http' && scheme !== 'https') throw new TypeError(`:scheme: expected http or https`)
  return {
    version: protocol === 'HTTP/2' ? '2' : protocol === 'HTTP/1.0' ? '1.0' : '1.1',
    method: pseudo(lines, ':method'),
    scheme,
    authority: pseudo(lines, ':authority'),
    // CONNECT has no path: its target is the authority (RFC 9113, 8.5).
    target: pseudo(lines, lines.some(([name]) => name === ':path') ? ':path' : ':authority'),
    headers: agentsLines(lines),
  }
}

export function responseHead(lines: readonly HeaderLine[]): ResponseHead {
  const status = pseudo(lines, ':status')
  if (!/^[1-5]\d\d$/.test(status)) throw new TypeError(':status: expected a status')
  return { status: Number(status), headers: agentsLines(lines) }
}

/** Those that are no pseudo headers. */
export function plainLines(lines: readonly HeaderLine[]): readonly HeaderLine[] {
  return lines.filter(([name]) => !name.startsWith(':'))
}

/** Without what Envoy itself added, or left there for itself: it goes no further. */
function agentsLines(lines: readonly HeaderLine[]): readonly HeaderLine[] {
  return plainLines(lines).filter(([name]) => !name.startsWith('x-envoy-'))
}

function pseudo(lines: readonly HeaderLine[], name: string): string {
  const [found, ...others] = lines.filter(([each]) => each === name)
  if (found === undefined || others.length > 0) throw new TypeError(`${name}: expected it once`)
  return found[1]
}
