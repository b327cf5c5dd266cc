import { resolve } from 'node:path'
import { formatPath } from './complaint.ts'
import type { ConfigDocument, ConfigPath } from './document.ts'
import type { OutsideText } from './validation.ts'
import { ConfigError } from '../errors.ts'
import { Secret } from '../secret.ts'

/** What a configuration may reach beyond its own text. */
export interface ConfigSurroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Throws as node:fs does. */
  readText(path: string): string
}

/** Texts that the file only points to: in the environment, or in files beside it. */
export class OutsideTexts {
  readonly #document: ConfigDocument
  readonly #from: string
  readonly #surroundings: ConfigSurroundings

  constructor(document: ConfigDocument, from: string, surroundings: ConfigSurroundings) {
    this.#document = document
    this.#from = from
    this.#surroundings = surroundings
  }

  /** Everything beneath a value, each `{ file: PATH }` and `{ env: NAME }` replaced. */
  within(value: object, path: ConfigPath): Readonly<Record<string, unknown>> {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, this.#replaced(inner, [...path, key])]))
  }

  read(pointer: OutsideText, path: ConfigPath): Secret {
    const [text, source] =
      'env' in pointer ? this.#fromEnvironment(pointer.env, path) : this.#fromFile(pointer.file, path)
    if (text.trim() === '') throw this.#unreadable(path, `text in the ${source}`, 'it empty')
    if ('env' in pointer) return new Secret(withoutLineEnd(text), source)
    const file = resolve(this.#from, pointer.file)
    return new Secret(withoutLineEnd(text), source, () => withoutLineEnd(this.#surroundings.readText(file)))
  }

  #replaced(value: unknown, path: ConfigPath): unknown {
    if (Array.isArray(value)) return value.map((inner, index) => this.#replaced(inner, [...path, index]))
    if (typeof value !== 'object' || value === null) return value
    return isPointer(value) ? this.read(value, path) : this.within(value, path)
  }

  #fromEnvironment(name: string, path: ConfigPath): readonly [string, string] {
    const text = this.#surroundings.env[name]
    if (text === undefined) throw this.#unreadable(path, `the environment variable ${name} to be set`, 'it unset')
    return [text, `environment variable ${name}`]
  }

  #fromFile(name: string, path: ConfigPath): readonly [string, string] {
    const file = resolve(this.#from, name)
    try {
      return [this.#surroundings.readText(file), `file ${file}`]
    } catch (cause) {
      throw this.#unreadable(path, `a readable file ${file}`, reason(cause))
    }
  }

  #unreadable(path: ConfigPath, expected: string, found: string): ConfigError {
    const text = `${this.#document.locate(path)}: ${formatPath(path)}: expected ${expected}; found ${found}`
    return new ConfigError('ERR_CONFIG_SECRET', text)
  }
}

function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, '')
}

function isPointer(value: object): value is OutsideText {
  const entries = Object.entries(value)
  return (
    entries.length === 1 && entries.every(([key, text]) => ['file', 'env'].includes(key) && typeof text === 'string')
  )
}

/** A system error's own short words, never the text of what was read. */
export function reason(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  switch (code) {
    case 'ENOENT':
      return 'no such file'
    case 'EACCES':
      return 'a file that this user may not read'
    case 'EISDIR':
      return 'a directory'
    default:
      return typeof code === 'string' ? `a failure to read it (${code})` : 'a failure to read it'
  }
}

/** What is wrong at a place in the file, with its line. */
export function shapeAt(document: ConfigDocument, path: ConfigPath, expected: string, found: string): ConfigError {
  const text = `${document.locate(path)}: ${formatPath(path)}: expected ${expected}; found ${found}`
  return new ConfigError('ERR_CONFIG_SHAPE', text)
}
