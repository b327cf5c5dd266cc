import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { parseDocument } from 'yaml'
import { ConfigError } from '../errors.ts'
import { EVENT_NAMES, type EventName } from '../evidence/index.ts'
import type { Control, ControlPack, ControlSource } from './control.ts'

const SHIPPED = new URL('../../compliance-mappings/', import.meta.url)
/** The pack that comes with the gateway. */
export const SHIPPED_CONTROLS: string = fileURLToPath(SHIPPED)
const INDEX = 'pack.yaml'
/** No pack comes near it: more than this is not read into memory. */
const MAX_FILE_BYTES = 4 * 1024 * 1024

/**
 * Reads a directory of mappings (pack.yaml and the files that it names) as strictly as it is written: every file against
 * the schema that comes with the gateway, every id once, every event one that this gateway knows, no file beside those
 * that the digest covers. Throws ConfigError ERR_CONFIG_CONTROLS.
 */
export async function loadControlPack(directory: string = SHIPPED_CONTROLS): Promise<ControlPack> {
  const schemas = await (compiled ??= compileSchemas())
  const digest = createHash('sha256')
  const { version, files } = await readMapping(directory, INDEX, schemas.index, digest)
  await refuseStrays(directory, files)
  const frameworks: string[] = []
  const controls = new Map<string, Control>()
  for (const name of files) {
    const mapping = await readMapping(directory, name, schemas.mapping, digest)
    frameworks.push(mapping.framework)
    for (const control of controlsOf(mapping, join(directory, name))) {
      if (controls.has(control.id)) throw wrong(join(directory, name), 'each control once', `${control.id} again`)
      controls.set(control.id, control)
    }
  }
  return { version, digest: digest.digest('hex'), frameworks, controls }
}

interface IndexText {
  readonly version: string
  readonly files: readonly string[]
}

/** A file's own words, once its shape is known to be right. */
interface MappingText {
  readonly framework: string
  readonly status: Control['status']
  readonly identifiers?: Control['identifiers']
  readonly controls: readonly ControlText[]
}

type SameWords = 'id' | 'title' | 'tags' | 'strength' | 'certainty'
interface ControlText extends Pick<Control, SameWords> {
  readonly source: { readonly document: string; readonly section: string; readonly exam_procedure?: string }
  readonly paraphrase?: string
  readonly events: readonly string[]
  readonly metric?: string
  readonly not_shown?: string
  readonly certainty_note?: string
  readonly crosswalk?: Control['crosswalk']
}

const INDEX_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['version', 'files'],
  properties: {
    version: { type: 'string', pattern: '^\\d+\\.\\d+\\.\\d+$' },
    files: {
      type: 'array',
      minItems: 1,
      uniqueItems: true,
      // A name and no path: what the digest covers lies in this directory.
      items: { type: 'string', pattern: '^[a-z0-9][a-z0-9-]*\\.yaml$', not: { const: INDEX } },
    },
  },
}

interface Schemas {
  readonly index: ValidateFunction<IndexText>
  readonly mapping: ValidateFunction<MappingText>
}

let compiled: Promise<Schemas> | undefined

async function compileSchemas(): Promise<Schemas> {
  const schema: unknown = JSON.parse(await readFile(new URL('schema.json', SHIPPED), 'utf8'))
  const ajv = new Ajv({ verbose: true })
  return { index: ajv.compile<IndexText>(INDEX_SCHEMA), mapping: ajv.compile<MappingText>(Object(schema)) }
}

async function readMapping<T>(
  directory: string,
  name: string,
  valid: ValidateFunction<T>,
  digest: ReturnType<typeof createHash>,
): Promise<T> {
  const path = join(directory, name)
  const bytes = await readBytes(path)
  digest.update(`${createHash('sha256').update(bytes).digest('hex')}  ${name}\n`)
  const document = parseDocument(bytes.toString('utf8'), { version: '1.2', strict: true, uniqueKeys: true })
  const [fault] = document.errors
  if (fault !== undefined) throw wrong(path, 'YAML 1.2', fault.message.split('\n')[0] ?? 'none')
  const value: unknown = document.toJS({ maxAliasCount: 0 })
  if (valid(value)) return value
  const [error] = valid.errors ?? []
  throw wrong(`${path}${error?.instancePath ?? ''}`, ...complaint(error))
}

function complaint(error: ErrorObject | undefined): readonly [expected: string, found: string] {
  if (error === undefined) return ['a mapping', 'something else']
  if (error.keyword === 'required') return [`the member ${String(error.params['missingProperty'])}`, 'none']
  if (error.keyword === 'additionalProperties') {
    return ['members of the schema alone', JSON.stringify(error.params['additionalProperty'])]
  }
  return [`a value that ${error.message ?? 'fits'}`, (JSON.stringify(error.data) ?? 'nothing').slice(0, 80)]
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    const bytes = await readFile(path)
    if (bytes.length <= MAX_FILE_BYTES) return bytes
  } catch (cause) {
    const found = cause instanceof Error && 'code' in cause ? String(cause.code) : 'none'
    throw wrong(path, 'a readable file', found, cause)
  }
  throw wrong(path, `at most ${MAX_FILE_BYTES} bytes`, 'more')
}

// A mapping that the index forgot would look as if it were in force, and be in no digest.
async function refuseStrays(directory: string, files: readonly string[]): Promise<void> {
  const names = await readdir(directory)
  const stray = names.find((name) => /\.ya?ml$/.test(name) && name !== INDEX && !files.includes(name))
  if (stray !== undefined) throw wrong(join(directory, INDEX), `every mapping beside it named`, `no ${stray}`)
}

const EVENTS: ReadonlySet<string> = new Set(EVENT_NAMES)

function* controlsOf(
  { framework, status, identifiers = 'source', controls }: MappingText,
  path: string,
): Generator<Control> {
  for (const control of controls) {
    const { id, title, tags, strength, certainty } = control
    const events = control.events.filter((event): event is EventName => EVENTS.has(event))
    const unknown = control.events.find((event) => !EVENTS.has(event))
    if (unknown !== undefined) throw wrong(`${path}: ${id}`, 'events that the gateway records', unknown)
    yield Object.freeze({
      id,
      title,
      framework,
      status,
      identifiers,
      source: sourceOf(control.source),
      paraphrase: control.paraphrase ?? null,
      events,
      tags,
      strength,
      metric: control.metric ?? null,
      notShown: control.not_shown ?? null,
      certainty,
      certaintyNote: control.certainty_note ?? null,
      crosswalk: control.crosswalk ?? {},
    })
  }
}

function sourceOf({ document, section, exam_procedure: procedure }: ControlText['source']): ControlSource {
  return { document, section, examProcedure: procedure ?? null }
}

function wrong(path: string, expected: string, found: string, cause?: unknown): ConfigError {
  const message = `${path}: expected ${expected}; found ${found}; mend it, or take controls.directory out of the configuration to use the pack that comes with the gateway`
  return new ConfigError('ERR_CONFIG_CONTROLS', message, { cause })
}
