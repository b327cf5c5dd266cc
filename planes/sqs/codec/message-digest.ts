import { hash } from 'node:crypto'
import type { JsonObject } from '../../../engine/index.ts'
import { objectOf, textOf } from './members.ts'

/** What SDKs check a body against. */
export function md5OfBody(body: string): string {
  return hash('md5', body)
}

const STRING_TYPE = 1
const BINARY_TYPE = 2

/**
 * MD5 of message attributes as SQS defines it: by name in order, the lengths as four bytes, a byte for the kind of value.
 * Null where there are none: then no digest is sent either.
 */
export function md5OfAttributes(attributes: JsonObject): string | null {
  const names = Object.keys(attributes).toSorted(byBytes)
  if (names.length === 0) return null
  const parts = names.flatMap((name) => {
    const value = objectOf(attributes[name])
    const type = textOf(value['DataType']) ?? ''
    const content = type.startsWith('Binary')
      ? [Buffer.of(BINARY_TYPE), ...counted(Buffer.from(textOf(value['BinaryValue']) ?? '', 'base64'))]
      : [Buffer.of(STRING_TYPE), ...counted(Buffer.from(textOf(value['StringValue']) ?? ''))]
    return [...counted(Buffer.from(name)), ...counted(Buffer.from(type)), ...content]
  })
  return hash('md5', Buffer.concat(parts))
}

function byBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other))
}

function counted(bytes: Buffer): readonly [Buffer, Buffer] {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return [length, bytes]
}
