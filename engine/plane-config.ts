import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import type { ConfigSchema } from './config-schema.ts'
import { formatPath } from './config-validation.ts'
import { ConfigError } from './errors.ts'

/**
 * A plane's section against its JSON Schema (whose `description`s finish the sentence "expected …"); defaults are put
 * in. Call what it returns with the section. Throws ConfigError, one line a fault, each beginning with its path.
 */
export function sectionReader<Shape>(schema: ConfigSchema): (raw: unknown) => Shape {
  let compiled: ValidateFunction<Shape> | undefined
  return (raw) => {
    compiled ??= new Ajv({ allErrors: true, useDefaults: true, verbose: true, strictTypes: false }).compile<Shape>(
      schema,
    )
    const value: unknown = structuredCopy(raw)
    if (compiled(value)) return value
    const lines = new Set((compiled.errors ?? []).filter(({ keyword }) => keyword !== 'if').map(complaint))
    throw new ConfigError('ERR_CONFIG_PLANE', [...lines].join('\n'))
  }
}

/** Defaults are written into a copy; what is no plain mapping or list (a Secret) is shared. */
function structuredCopy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(structuredCopy)
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, structuredCopy(inner)]))
}

function complaint({ keyword, instancePath, params, parentSchema, data }: ErrorObject): string {
  const keys = instancePath.split('/').slice(1)
  const path = (last?: unknown): string => formatPath(last === undefined ? keys : [...keys, String(last)])
  const schema: ConfigSchema = parentSchema ?? {}
  if (keyword === 'additionalProperties') {
    const known = Object.keys(schema.properties ?? {}).join(', ')
    return `${path(params['additionalProperty'])}: unknown key; known here: ${known}`
  }
  if (keyword === 'required') {
    const missing = String(params['missingProperty'])
    return `${path(missing)}: expected ${schema.properties?.[missing]?.description ?? 'a value'}; found nothing`
  }
  return `${path()}: expected ${schema.description ?? 'something else'}; found ${found(data)}`
}

function found(data: unknown): string {
  if (data === null || data === undefined) return 'nothing'
  if (typeof data === 'object') return Array.isArray(data) ? 'a list' : 'a mapping'
  return JSON.stringify(data).slice(0, 60)
}
