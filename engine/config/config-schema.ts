/** What of JSON Schema the configuration uses. `description` finishes the sentence "expected …". */
export interface ConfigSchema {
  readonly $schema?: string
  readonly title?: string
  readonly description?: string
  readonly type?: 'object' | 'array' | 'string' | 'integer'
  readonly const?: string | boolean
  readonly enum?: readonly (string | boolean)[]
  readonly pattern?: string
  readonly minLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly items?: ConfigSchema
  readonly properties?: Readonly<Record<string, ConfigSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | ConfigSchema
  readonly minProperties?: number
  readonly maxProperties?: number
  readonly if?: ConfigSchema
  readonly then?: ConfigSchema
  readonly else?: ConfigSchema
  readonly default?: unknown
  /** What was found is never repeated in an error. */
  readonly writeOnly?: boolean
}

/** What the file only points to. */
export type OutsideText = { readonly file: string } | { readonly env: string }
