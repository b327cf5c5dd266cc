import type { Answer, HeaderLine } from '../../message.ts'
import { struct, type Witness } from './witness.ts'

/** What Envoy is told to do with a part of an exchange; sent as it stands. */
export type ProcessingResponse = Readonly<Record<string, unknown>>

type Part = 'request_headers' | 'request_body' | 'response_headers' | 'response_body'

/** How a part goes on. */
export interface Change {
  readonly headers?: HeaderMutation
  /** In place of the body that came; left out: as it came. */
  readonly body?: Buffer
}

export interface HeaderMutation {
  readonly set_headers: readonly object[]
  readonly remove_headers: readonly string[]
}

/** `witness`: what the chain's other filters demand before they let it pass; only who decided gives one. */
export function goOn(part: Part, change: Change = {}, witness?: Witness): ProcessingResponse {
  const response = {
    ...(change.headers === undefined ? {} : { header_mutation: change.headers }),
    ...(change.body === undefined ? {} : { body_mutation: bodyMutation(change.body) }),
  }
  return {
    [part]: { response },
    ...(witness === undefined ? {} : { dynamic_metadata: struct(witness) }),
  }
}

function bodyMutation(bytes: Buffer): object {
  return bytes.length === 0 ? { clear_body: true } : { body: bytes }
}

/** An answer in place of whatever would have come. */
export function answerAtOnce({ status, headers, body }: Answer, witness: Witness): ProcessingResponse {
  return {
    immediate_response: {
      status: { code: status },
      headers: {
        set_headers: settings(headers.filter(([name]) => name.toLowerCase() !== 'content-length')),
        remove_headers: [],
      },
      body,
      details: 'countersign',
    },
    dynamic_metadata: struct(witness),
  }
}

/** What turns one list of headers into another, whatever Envoy has in its place: no name with other values stays. */
export function headerMutation(from: readonly HeaderLine[], to: readonly HeaderLine[]): HeaderMutation {
  const [before, after] = [grouped(from), grouped(to)]
  const same = (name: string): boolean => JSON.stringify(before.get(name)) === JSON.stringify(after.get(name))
  return {
    remove_headers: [...before.keys()].filter((name) => !after.has(name)),
    set_headers: settings(
      [...after].flatMap(([name, values]) => (same(name) ? [] : values.map((value) => [name, value]))),
    ),
  }
}

function grouped(headers: readonly HeaderLine[]): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const [written, value] of headers) {
    const name = written.toLowerCase()
    if (!name.startsWith(':')) groups.set(name, [...(groups.get(name) ?? []), value])
  }
  return groups
}

/** The first of a name replaces what is there, the others stand beside it. */
function settings(headers: readonly (readonly string[])[]): readonly object[] {
  const seen = new Set<string>()
  return headers.map(([written = '', value = '']) => {
    const key = written.toLowerCase()
    const again = seen.has(key)
    seen.add(key)
    return {
      header: { key, raw_value: Buffer.from(value, 'latin1') },
      append: { value: again },
      keep_empty_value: true,
    }
  })
}
