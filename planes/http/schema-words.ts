import type { ConfigSchema } from '../../engine/index.ts'

/** What the schema of the section is made of. */
export const words = (description: string): ConfigSchema => ({ type: 'string', minLength: 1, description })

export const like = (pattern: string, description: string): ConfigSchema => ({ type: 'string', pattern, description })

export const outside = (what: string): ConfigSchema => ({
  type: 'object',
  description: `${what} as { file: PATH } or { env: NAME }`,
  writeOnly: true,
})

export const mapping = (
  description: string,
  properties: Record<string, ConfigSchema>,
  required: string[],
): ConfigSchema => ({ type: 'object', description, properties, required, additionalProperties: false })
