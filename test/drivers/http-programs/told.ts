import { readFileSync } from 'node:fs'

export interface StepText {
  readonly name: string
  readonly method: string
  readonly path: string
  /** Empty: none is sent. */
  readonly type: string
  readonly body: Buffer | null
}

/** A line of the file that STEPS names: name, method, path, content type and body with tabs between; `bytes:N` is a body of N times `a`. */
export function readSteps(): readonly StepText[] {
  const lines = readFileSync(process.env['STEPS'] ?? '', 'utf8')
    .trimEnd()
    .split('\n')
  return lines.map((line) => {
    const [name = '', method = '', path = '', type = '', body = ''] = line.split('\t')
    const bytes = body.startsWith('bytes:')
      ? Buffer.alloc(Number(body.slice(6)), 'a')
      : body === ''
        ? null
        : Buffer.from(body)
    return { name, method, path, type, body: bytes }
  })
}

export interface Told {
  readonly name: string
  readonly status: number
  readonly version: string
  readonly type: string
  readonly location: string
  readonly decision: string
  readonly bytes: Buffer
  readonly sha256: string
}

/** Bytes of a body that are told; of all of it, its digest. */
const TOLD_BYTES = 16 * 1024

export function tell({ name, status, version, type, location, decision, bytes, sha256 }: Told): void {
  const text = bytes.subarray(0, TOLD_BYTES).toString('base64')
  process.stdout.write(`${[name, status, version, type, location, decision, bytes.length, sha256, text].join('\t')}\n`)
}
