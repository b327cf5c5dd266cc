import type { ColumnSource } from './relation.ts'

/** What an expression's result is made of. */
export interface Value {
  /** Every column that its result can depend on, but for those in conditions (recorded where they stand). */
  readonly sources: ReadonlySet<ColumnSource>
  /** Parameters ($n, from 1) that went into it. */
  readonly parameters: ReadonlySet<number>
  /** Its result is one column's value as it stands (or NULL), so a mask over that column fits it. */
  readonly copy: boolean
  /** Null where not inferred. A literal of unknown type has UNKNOWN_OID. */
  readonly typeOid: number | null
  /** The parts of a composite value, where known. */
  readonly fields: readonly Column[] | null
}

export interface Column {
  readonly name: string
  readonly value: Value
}

export const UNKNOWN_OID: number = 705
const NO_SOURCES: ReadonlySet<ColumnSource> = new Set()
const NO_PARAMETERS: ReadonlySet<number> = new Set()

/** Depends on nothing of the database's. */
export const NOTHING: Value = {
  sources: NO_SOURCES,
  parameters: NO_PARAMETERS,
  copy: false,
  typeOid: null,
  fields: null,
}

export function literal(typeOid: number): Value {
  return { ...NOTHING, typeOid }
}

export function parameter(number: number): Value {
  return { ...NOTHING, parameters: new Set([number]) }
}

/** A column as it stands; `sources` are one column seen through a view or an inheritance tree. */
export function copyOf(sources: ReadonlySet<ColumnSource>, typeOid: number): Value {
  return { ...NOTHING, sources, copy: true, typeOid }
}

/** Something made of all of these. */
export function made(values: readonly Value[]): Value {
  const [first] = values
  if (first !== undefined && values.length === 1) return { ...first, copy: false, typeOid: null, fields: null }
  return {
    ...NOTHING,
    sources: union(
      NO_SOURCES,
      values.map(({ sources }) => sources),
    ),
    parameters: union(
      NO_PARAMETERS,
      values.map(({ parameters }) => parameters),
    ),
  }
}

/** A composite of these parts. */
export function composite(fields: readonly Column[]): Value {
  return { ...made(fields.map(({ value }) => value)), fields }
}

/**
 * One of these, as the arms of a set operation or the rows of VALUES give: still a copy where all are copies of the same
 * column and of the same type, or are literals that took that type.
 */
export function oneOf(one: Value, other: Value): Value {
  const merged = made([one, other])
  const bare = isLiteral(one) ? other : one
  const same = isLiteral(one) || isLiteral(other) || (one.typeOid === other.typeOid && sameSources(one, other))
  const fields = one.fields?.length === other.fields?.length ? mergeFields(one.fields, other.fields) : null
  return { ...merged, copy: same && bare.copy, typeOid: same ? bare.typeOid : null, fields }
}

export function sameSources(one: Value, other: Value): boolean {
  return one.sources.size === other.sources.size && [...one.sources].every((source) => other.sources.has(source))
}

/** A string literal, NULL or a parameter takes the type of its neighbour and leaves that one as it was. */
function isLiteral({ sources, typeOid, parameters }: Value): boolean {
  return sources.size === 0 && (typeOid === UNKNOWN_OID || (typeOid === null && parameters.size > 0))
}

function mergeFields(one: readonly Column[] | null, other: readonly Column[] | null): readonly Column[] | null {
  if (one === null || other === null) return null
  return one.map((field, index) => ({ name: field.name, value: oneOf(field.value, other[index]?.value ?? NOTHING) }))
}

/** The largest set itself where it has all that the others have: a long UNION comes to the same ones again and again. */
function union<T>(none: ReadonlySet<T>, sets: readonly ReadonlySet<T>[]): ReadonlySet<T> {
  const largest = sets.reduce((one, other) => (other.size > one.size ? other : one), none)
  const missing = sets.flatMap((set) => (set === largest ? [] : [...set].filter((each) => !largest.has(each))))
  return missing.length === 0 ? largest : new Set([...largest, ...missing])
}
