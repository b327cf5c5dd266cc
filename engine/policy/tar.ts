import { PolicyError } from '../errors.ts'

/** One regular file of an archive. `name` has no leading slash. */
export interface ArchiveFile {
  readonly name: string
  readonly content: Uint8Array
}

/*
 * Read here rather than by a library: tar's extensions (pax overrides, GNU long names, links, sparse files, two entries
 * of one name) let two readers see two different bundles in the same bytes. This one knows the plain POSIX.1-1988 ustar
 * file entry and refuses everything else, so there is nothing to disagree about.
 */

const BLOCK = 512
const MAX_FILES = 4096
const NAME_FIELD = { from: 0, to: 100 }
const SIZE_FIELD = { from: 124, to: 136 }
const CHECKSUM_FIELD = { from: 148, to: 156 }
const TYPE_AT = 156
const MAGIC_FIELD = { from: 257, to: 263 }
/** Mode, owner, group and time of what is written. */
const NUMBERS = [
  { from: 100, to: 108, value: 0o644 },
  { from: 108, to: 116, value: 0 },
  { from: 116, to: 124, value: 0 },
  { from: 136, to: 148, value: 0 },
]
const PREFIX_FIELD = { from: 345, to: 500 }
// No `..`, no backslash, no control or look-alike character.
const PLAIN_SEGMENT = /^(?!\.{1,2}$)[A-Za-z0-9._-]+$/

/** Regular files of a ustar archive, in its order. Throws PolicyError ERR_POLICY_BUNDLE on anything out of the ordinary. */
export function readTar(archive: Uint8Array): ArchiveFile[] {
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength)
  const files: ArchiveFile[] = []
  const seen = new Set<string>()
  let offset = 0
  while (!endsAt(bytes, offset)) {
    const header = bytes.subarray(offset, offset + BLOCK)
    const file = readEntry(header, bytes, offset + BLOCK)
    offset += BLOCK + padded(file.content.length)
    const folded = file.name.toLowerCase()
    if (seen.has(folded)) throw refused(`holds ${file.name} twice (names are compared without case)`)
    if (seen.size >= MAX_FILES) throw refused(`holds more than ${MAX_FILES} files`)
    seen.add(folded)
    files.push(file)
  }
  return files
}

/** A ustar archive of these files with fixed owner, mode and time, so that equal content is equal bytes. */
export function writeTar(files: readonly ArchiveFile[]): Buffer {
  const blocks = files.flatMap(({ name, content }) => [
    header(name, content.length),
    content,
    Buffer.alloc(padded(content.length) - content.length),
  ])
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)])
}

/** Two zero blocks end an archive; only zeroes may follow, or something would hide behind the end. */
function endsAt(bytes: Buffer, offset: number): boolean {
  if (bytes.length < offset + 2 * BLOCK) throw refused('is cut short')
  if (bytes[offset] !== 0) return false
  if (bytes.subarray(offset).some((byte) => byte !== 0)) throw refused('has bytes after its end')
  return true
}

function readEntry(header: Buffer, bytes: Buffer, start: number): ArchiveFile {
  const name = entryName(header)
  if (octal(header, CHECKSUM_FIELD) !== checksum(header)) throw refused(`has a damaged header (${name})`)
  if (header.toString('latin1', MAGIC_FIELD.from, MAGIC_FIELD.to) !== 'ustar\0') {
    throw refused(`has an entry that is not in ustar format (${name})`)
  }
  const type = String.fromCharCode(header[TYPE_AT] ?? 0)
  if (type !== '0') throw refused(`has an entry of type "${type}" (${name}); expected regular files only`)
  const end = start + octal(header, SIZE_FIELD)
  if (end > bytes.length) throw refused(`is cut short in ${name}`)
  if (bytes.subarray(end, start + padded(end - start)).some((byte) => byte !== 0)) {
    throw refused(`has bytes in the padding after ${name}`)
  }
  return { name, content: bytes.subarray(start, end) }
}

/** OPA writes `/data.json`; one leading slash is dropped, as OPA does before it looks names up in a signature. */
function entryName(header: Buffer): string {
  const prefix = text(header, PREFIX_FIELD)
  const name = text(header, NAME_FIELD)
  const path = (prefix === '' ? name : `${prefix}/${name}`).replace(/^\//, '')
  if (!path.split('/').every((segment) => PLAIN_SEGMENT.test(segment))) {
    throw refused('has an entry with a strange path; expected plain relative names')
  }
  return path
}

function text(header: Buffer, field: { from: number; to: number }): string {
  const [value = '', ...rest] = header.toString('latin1', field.from, field.to).split('\0')
  if (rest.some((part) => part !== '')) throw refused('has bytes behind a name')
  return value
}

function octal(header: Buffer, field: { from: number; to: number }): number {
  const digits = /^ *([0-7]+)[ \0]*$/.exec(header.toString('latin1', field.from, field.to))?.[1]
  if (digits === undefined) throw refused('has a damaged header')
  return Number.parseInt(digits, 8)
}

/** Sum of the header's bytes, the checksum's own field read as spaces. */
function checksum(header: Buffer): number {
  return header.reduce((sum, byte, at) => sum + (at >= CHECKSUM_FIELD.from && at < CHECKSUM_FIELD.to ? 0x20 : byte), 0)
}

function padded(length: number): number {
  return Math.ceil(length / BLOCK) * BLOCK
}

function header(name: string, size: number): Buffer {
  if (name.length + 1 > NAME_FIELD.to) throw refused(`cannot hold a name as long as ${name}`)
  const block = Buffer.alloc(BLOCK)
  block.write(`/${name}`, NAME_FIELD.from, 'latin1')
  for (const { from, to, value } of NUMBERS) writeOctal(block, from, to, value)
  writeOctal(block, SIZE_FIELD.from, SIZE_FIELD.to, size)
  block.write('0', TYPE_AT, 'latin1')
  block.write('ustar', MAGIC_FIELD.from, 'latin1')
  block.write('00', MAGIC_FIELD.to, 'latin1')
  writeOctal(block, CHECKSUM_FIELD.from, CHECKSUM_FIELD.to, checksum(block))
  return block
}

/** Digits up to the field's last byte, which stays zero. */
function writeOctal(block: Buffer, from: number, to: number, value: number): void {
  block.write(value.toString(8).padStart(to - from - 1, '0'), from, 'latin1')
  block[to - 1] = 0
}

function refused(what: string): PolicyError {
  return new PolicyError(
    'ERR_POLICY_BUNDLE',
    `the bundle's archive ${what}; build it again with \`countersign policy build\``,
  )
}
