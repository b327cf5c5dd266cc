import { NormalizeError, type NormalizeErrorCode } from '../../../engine/index.ts'

/** What can be read in more than one way, or not at all, is no request. The message quotes nothing of the client's. */
export function refused(code: NormalizeErrorCode, message: string): NormalizeError {
  return new NormalizeError(code, message)
}
