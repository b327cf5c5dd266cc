import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'

interface RecordSchema {
  readonly $defs: Readonly<
    Record<
      string,
      { readonly properties?: { readonly event?: { readonly const?: string; readonly enum?: readonly string[] } } }
    >
  >
}

/** docs/evidence-record.schema.json. */
export const RECORD_SCHEMA: RecordSchema = JSON.parse(
  readFileSync(new URL('../../docs/evidence-record.schema.json', import.meta.url), 'utf8'),
)

/** The events that the schema knows. */
export function eventsOfSchema(): readonly string[] {
  const events = Object.values(RECORD_SCHEMA.$defs).flatMap(({ properties }) => {
    const { const: one, enum: some = [] } = properties?.event ?? {}
    return one === undefined ? some : [one]
  })
  return [...new Set(events)].toSorted()
}

const compiled = new Ajv2020({ allErrors: true, strictTypes: false }).compile(Object(RECORD_SCHEMA))

/** What is wrong with a record by its published schema; empty when nothing is. */
export function complaintsAbout(record: unknown): readonly string[] {
  if (compiled(record)) return []
  const event = String(Reflect.get(Object(record), 'event'))
  return (compiled.errors ?? []).map(
    ({ instancePath, message, params }) => `${event}${instancePath}: ${message ?? ''} ${JSON.stringify(params)}`,
  )
}
