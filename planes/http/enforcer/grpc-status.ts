/** What a client of gRPC is told of a failure beyond its code: google.rpc.ErrorInfo. */
export interface ErrorInfo {
  readonly reason: string
  readonly domain: string
  readonly metadata: Readonly<Record<string, string>>
}

const ERROR_INFO = 'type.googleapis.com/google.rpc.ErrorInfo'

/** `grpc-status-details-bin`: a google.rpc.Status with one detail, in base64 without padding. */
export function statusDetails(code: number, message: string, { reason, domain, metadata }: ErrorInfo): string {
  const entries = Object.entries(metadata).map(([key, value]) =>
    bytes(3, Buffer.concat([text(1, key), text(2, value)])),
  )
  const info = Buffer.concat([text(1, reason), text(2, domain), ...entries])
  const any = Buffer.concat([text(1, ERROR_INFO), bytes(2, info)])
  const status = Buffer.concat([varint(1 << 3), varint(code), text(2, message), bytes(3, any)])
  return status.toString('base64').replace(/=+$/, '')
}

/** A field of Protocol Buffers with a length. */
function bytes(field: number, content: Buffer): Buffer {
  return Buffer.concat([varint((field << 3) | 2), varint(content.length), content])
}

function text(field: number, content: string): Buffer {
  return bytes(field, Buffer.from(content))
}

function varint(value: number): Buffer {
  const out: number[] = []
  let rest = value
  for (; rest > 0x7f; rest >>>= 7) out.push((rest & 0x7f) | 0x80)
  return Buffer.from([...out, rest])
}
