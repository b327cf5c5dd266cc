/** The engine's public surface, listed by hand. */
export type * from './access-request.ts'
export { sealRequest } from './access-request.ts'
export * from './errors.ts'
export type * from './plane.ts'
export type * from './verdict.ts'
export { MASK_METHODS, stricter } from './verdict.ts'
