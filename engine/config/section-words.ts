import type { ConfigSchema } from './config-schema.ts'
import { DURATION_PATTERN, SIZE_PATTERN } from '../units.ts'

/** What the schemas of planes' sections are made of. Each `description` finishes the sentence "expected …". */
export const words = (description: string): ConfigSchema => ({ type: 'string', minLength: 1, description })

export const like = (pattern: string, description: string): ConfigSchema => ({ type: 'string', pattern, description })

/** A text that stands elsewhere: by the time a plane looks, it is a Secret. */
export const outside = (what: string): ConfigSchema => ({
  type: 'object',
  description: `${what} as { file: PATH } or { env: NAME }`,
  writeOnly: true,
})

export const mapping = (
  description: string,
  properties: Readonly<Record<string, ConfigSchema>>,
  required: readonly string[],
): ConfigSchema => ({ type: 'object', description, properties, required, additionalProperties: false })

/** A mapping that may be left out, all of whose members have defaults. */
export const settings = (description: string, properties: Readonly<Record<string, ConfigSchema>>): ConfigSchema => ({
  ...mapping(description, properties, []),
  default: {},
})

export const port: ConfigSchema = {
  type: 'integer',
  minimum: 0,
  maximum: 65_535,
  description: 'a TCP port, 0 for any',
}

export const duration = (byDefault: string): ConfigSchema => ({
  ...like(DURATION_PATTERN, 'a duration such as 20s or 15m'),
  default: byDefault,
})

export const size = (byDefault: string): ConfigSchema => ({
  ...like(SIZE_PATTERN, 'a size such as 64KiB or 8MiB'),
  default: byDefault,
})

export const count = (description: string, maximum: number, byDefault: number): ConfigSchema => ({
  type: 'integer',
  minimum: 1,
  maximum,
  description,
  default: byDefault,
})

/** `description`: a list of what. */
export const listOrAny = (description: string, items: ConfigSchema): ConfigSchema => ({
  description: `${description}, or the word any`,
  if: { type: 'string' },
  // oxlint-disable-next-line unicorn/no-thenable -- JSON Schema's own keyword
  then: { const: 'any', description: `${description}, or the word any` },
  else: { type: 'array', minItems: 1, items, description: `${description}, or the word any` },
})
