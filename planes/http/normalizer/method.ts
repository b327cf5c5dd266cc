import type { ActionClass } from '../../../engine/index.ts'
import { refused } from './refusal.ts'

const CLASSES: Readonly<Record<string, ActionClass>> = {
  GET: 'read',
  HEAD: 'read',
  OPTIONS: 'read',
  POST: 'write',
  PUT: 'write',
  PATCH: 'write',
  DELETE: 'destroy',
}
const ORDER: readonly ActionClass[] = ['discover', 'read', 'write', 'destroy', 'control']

/** Where frameworks look for another method than the request line's. */
export const OVERRIDE_HEADERS: readonly string[] = ['x-http-method-override', 'x-http-method', 'x-method-override']
export const OVERRIDE_PARAMETER = '_method'

/** A method that isn't HTTP's own is none that anybody knows the effect of. Throws NormalizeError. */
export function checkMethod(method: string): void {
  if (!/^[A-Z]{1,20}(?:-[A-Z]{1,20})?$/.test(method))
    throw refused('ERR_NORMALIZE_UNSUPPORTED', 'the method must be in capital letters')
  // CONNECT opens a tunnel past every judgement; TRACE gives back what was sent up, the gateway's credentials in it.
  if (method === 'CONNECT' || method === 'TRACE')
    throw refused('ERR_NORMALIZE_UNSUPPORTED', `${method} is not forwarded`)
}

/** The class of a method and of every method that may take its place: of several, the one that does most. */
export function classOf(methods: readonly string[]): ActionClass {
  return methods.reduce<ActionClass>((most, method) => {
    const one = CLASSES[method.toUpperCase()] ?? 'control'
    return ORDER.indexOf(one) > ORDER.indexOf(most) ? one : most
  }, 'discover')
}
