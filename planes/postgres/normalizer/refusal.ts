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

  constructor(code: RefusalCode, message: string, location?: number) {
    super(message)
    this.name = 'Refusal'
    this.code = code
    this.location = location
  }

  toError(positionOf: (location: number) => number): NormalizeError {
    const position = this.location === undefined || this.location < 0 ? undefined : positionOf(this.location)
    return new NormalizeError(this.code, this.message, position === undefined ? {} : { position })
  }

  /** The same refusal, without a place: it lies in a definition that the client didn't send. */
  within(what: string): Refusal {
    return new Refusal(this.code, `${what}: ${this.message}`)
  }
}

/** A form of SQL that the analysis doesn't cover. */
export function unsupported(message: string, location?: number): Refusal {
  return new Refusal('ERR_NORMALIZE_UNSUPPORTED', message, location)
}

/** A name that the catalogue doesn't know, or that could mean two things. */
export function unresolved(message: string, location?: number): Refusal {
  return new Refusal('ERR_NORMALIZE_UNRESOLVED', message, location)
}

/** Code that the analysis can't see into. */
export function opaque(message: string, location?: number): Refusal {
  return new Refusal('ERR_NORMALIZE_OPAQUE', message, location)
}

export function tooComplex(message: string): Refusal {
  return new Refusal('ERR_NORMALIZE_TOO_COMPLEX', message)
}
