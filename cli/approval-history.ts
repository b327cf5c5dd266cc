import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

const NEWLINE = 0x0a
const MARK = Buffer.from('"event":"approval.')

/**
 * The approval of every `approval.*` record that one gateway has written, in the log's order (docs/evidence-format.md:
 * `records/<instance>.<boot>.ndjson`, boots sort by age). Ask after the log was opened: that has checked the files of
 * writers that died, and a line that one of them left half written has no end and is passed over.
 */
export async function* approvalHistory(directory: string, instance: string): AsyncGenerator {
  const records = join(directory, 'records')
  const names = await readdir(records)
  for (const name of names.filter((each) => each.startsWith(`${instance}.`) && each.endsWith('.ndjson')).toSorted()) {
    for await (const line of linesOf(join(records, name))) {
      if (line.includes(MARK)) yield* approvalIn(line) // a cheap look first: most records are decisions
    }
  }
}

/** By the byte: node:readline also ends a line at U+2028, which an agent can put into the text of a statement. */
async function* linesOf(file: string): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0)
  const chunks: AsyncIterable<Buffer> = createReadStream(file, { highWaterMark: 1024 * 1024 })
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let start = 0
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      yield bytes.subarray(start, end)
      start = end + 1
    }
    rest = bytes.subarray(start)
  }
}

function* approvalIn(line: Buffer): Generator {
  const parsed: unknown = JSON.parse(line.toString())
  const record: unknown = Reflect.get(Object(parsed), 'record')
  const event: unknown = Reflect.get(Object(record), 'event')
  if (typeof event === 'string' && event.startsWith('approval.')) yield Reflect.get(Object(record), 'approval')
}
