import { NormalizeError, type NormalizeErrorCode } from '../../../engine/index.ts'

type RefusalCode = Extract<
  NormalizeErrorCode,
  'ERR_NORMALIZE_UNSUPPORTED' | 'ERR_NORMALIZE_UNRESOLVED' | 'ERR_NORMALIZE_OPAQUE' | 'ERR_NORMALIZE_TOO_COMPLEX'
>

/** Thrown inside the analysis; leaves it as a NormalizeError with its place counted in characters. */
export class Refusal extends Error {
  readonly code: RefusalCode
  /** UTF-8 bytes into the script, where known. */
  readonly location: number | undefined
  /** What the server itself would say, where it would refuse this as well. */
  readonly sqlstate: string | undefined
  /** What can't be seen into, as a policy may name it: `function bank.get_ssn`, `unresolved`, `form`. */
  readonly what: string
  /** Whether a policy may want it all the same: not where the gateway itself could no longer read what comes next. */
  readonly permittable: boolean

  constructor(
    code: RefusalCode,
    message: string,
    more: {
      readonly location?: number | undefined
      readonly sqlstate?: string | undefined
      readonly what: string
      readonly permittable?: boolean
    },
  ) {
    super(message)
    this.name = 'Refusal'
    this.code = code
    this.location = more.location
    this.sqlstate = more.sqlstate
    this.what = more.what
    this.permittable = more.permittable ?? true
  }

  toError(positionOf: (location: number) => number): NormalizeError {
    const position = this.location === undefined || this.location < 0 ? undefined : positionOf(this.location)
    return new NormalizeError(this.code, this.message, {
      ...(position === undefined ? {} : { position }),
      ...(this.sqlstate === undefined ? {} : { native: this.sqlstate }),
    })
  }

  /** The same refusal, without a place: it lies in a definition that the client didn't send. */
  within(what: string): Refusal {
    return new Refusal(this.code, `${what}: ${this.message}`, { what: this.what, permittable: this.permittable })
  }
}

/** A form of SQL that the analysis doesn't cover. */
export function unsupported(message: string, location?: number, what = 'form'): Refusal {
  return new Refusal('ERR_NORMALIZE_UNSUPPORTED', message, { location, what })
}

/** What would have the server read texts otherwise than the gateway does. */
export function unreadable(message: string): Refusal {
  return new Refusal('ERR_NORMALIZE_UNSUPPORTED', message, { what: 'setting', permittable: false })
}

/** SQLSTATEs (Appendix A) with which the server refuses what it can't resolve. */
export const UNRESOLVED = {
  syntax: '42601',
  ambiguousColumn: '42702',
  undefinedColumn: '42703',
  undefinedObject: '42704',
  undefinedStatement: '26000',
  undefinedCursor: '34000',
  undefinedFunction: '42883',
  undefinedTable: '42P01',
  undefinedParameter: '42P02',
  ambiguousAlias: '42P09',
  invalidReference: '42P10',
} as const

/** A name that the catalogue doesn't know, or that could mean two things: the server would refuse it too. */
export function unresolved(message: string, location: number | undefined, like: keyof typeof UNRESOLVED): Refusal {
  return new Refusal('ERR_NORMALIZE_UNRESOLVED', message, { location, sqlstate: UNRESOLVED[like], what: 'unresolved' })
}

/** Code that the analysis can't see into. */
export function opaque(what: string, message: string, location?: number): Refusal {
  return new Refusal('ERR_NORMALIZE_OPAQUE', message, { location, what })
}

export function tooComplex(message: string): Refusal {
  return new Refusal('ERR_NORMALIZE_TOO_COMPLEX', message, { what: 'form', permittable: false })
}
