import { Ajv } from 'ajv'
import type { ValidateFunction } from 'ajv'
import { ConfigError } from '../errors.ts'
import { Secret } from '../secret.ts'
import { complaintsOf, formatPath } from './complaint.ts'
import type { ConfigSchema } from './schema.ts'

/**
 * Checks a plane's section against its JSON Schema, whose `description`s finish the sentence "expected …"; defaults are
 * put into a copy. What the schema calls `writeOnly` must by then be a Secret: text that stands in the file itself is
 * refused. What it returns throws ConfigError ERR_CONFIG_PLANE: a line a fault, each beginning with its path.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the schema and the shape are the caller's pair
export function sectionReader<Shape>(schema: ConfigSchema): (raw: unknown) => Shape {
  let compiled: ValidateFunction<Shape> | undefined
  return (raw) => {
    compiled ??= compile<Shape>(schema)
    const value: unknown = copyOf(raw)
    if (compiled(value)) return value
    const lines = complaintsOf(compiled.errors ?? [], value).map(({ path, text }) => `${formatPath(path)}: ${text}`)
    throw new ConfigError('ERR_CONFIG_PLANE', lines.join('\n'))
  }
}

function compile<Shape>(schema: ConfigSchema): ValidateFunction<Shape> {
  const ajv = new Ajv({ allErrors: true, useDefaults: true, verbose: true, strictTypes: false })
  ajv.removeKeyword('writeOnly')
  ajv.addKeyword({
    keyword: 'writeOnly',
    validate: (secret: boolean, value: unknown) => !secret || value instanceof Secret,
  })
  return ajv.compile<Shape>(schema)
}

/** Of mappings and lists; a Secret is shared. */
function copyOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyOf)
  if (typeof value !== 'object' || value === null || value instanceof Secret) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copyOf(inner)]))
}
