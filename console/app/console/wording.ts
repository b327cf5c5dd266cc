import { visible } from '../../../engine/replay/browser.ts'
import type { Approval, State } from './approval.ts'

/** How a hold reads in a line. What an agent wrote is shown with its control characters as their code points. */

const VERBS: Readonly<Record<string, string>> = {
  insert: 'insert into',
  update: 'change',
  delete: 'delete from',
  merge: 'merge into',
  truncate: 'empty',
  select: 'read',
  copy_from: 'load rows into',
  copy_to: 'copy out',
}

/** `insert into public.transfers`: what is wanted of the upstream, in as few words as will do. */
export function wanted({ action, resources, grant }: Approval): string {
  if (grant !== null) {
    return `access to ${grant.resources.map(visible).join(', ')} for ${Math.round(grant.seconds / 60)} min`
  }
  const name = action.slice(action.indexOf('.') + 1)
  const written = resources.filter(({ parts }) => parts.some(({ uses }) => uses.includes('written')))
  const named = (written.length > 0 ? written : resources).map((resource) => visible(resource.name))
  return `${VERBS[name] ?? visible(name.replaceAll('_', ' '))}${named.length === 0 ? '' : ` ${named.join(', ')}`}`
}

/** A grant that was given is in force; a hold that was, waits to be used. */
export function standingOf({ state, grant }: Approval): string {
  return grant !== null && state === 'granted' ? 'granted' : standing(state)
}

export function standing(state: State): string {
  const words: Readonly<Record<State, string>> = {
    requested: 'waiting',
    granted: 'approved, not used yet',
    denied: 'denied',
    expired: 'expired',
    withdrawn: 'withdrawn',
    used: 'approved and done',
    revoked: 'revoked',
  }
  return words[state]
}

/** `14:32`, `2 h 5 min`: what is left until then. */
export function left(until: number, now: number): string {
  const seconds = Math.max(0, Math.ceil((until - now) / 1000))
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}:${String(seconds % 60).padStart(2, '0')}`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** `just now`, `4 min ago`, `in 2 h`, or the day and time. */
export function ago(then: number, now: number): string {
  if (then - now > 60_000) return `in ${until(then - now)}`
  const minutes = Math.floor((now - then) / 60_000)
  if (minutes < 1) return 'just now'
  if (minutes < 60) return `${minutes} min ago`
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ago`
  return new Date(then).toISOString().slice(0, 16).replace('T', ' ')
}

function until(ms: number): string {
  const minutes = Math.round(ms / 60_000)
  if (minutes < 60) return `${minutes} min`
  return minutes < 48 * 60 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1440)} days`
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

export function who({ requester }: Approval): string {
  const chain = requester.act.length === 0 ? '' : ` for ${requester.act.map(visible).join(', for ')}`
  return `${visible(requester.id)}${chain}`
}

/** Other people's words as a sentence of ours. */
export function sentence(text: string): string {
  return text === '' ? '' : `${text.slice(0, 1).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`
}
