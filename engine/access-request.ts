import { hash } from 'node:crypto'
import { NormalizeError } from './errors.ts'

/** Plain JSON. Integers beyond 2^53 and all decimals from a protocol travel as strings. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** Who asks. Field names are those that policy sees (`input.principal`), in Rego's snake_case. */
export interface Principal {
  readonly id: string
  readonly kind: 'agent' | 'person' | 'workload'
  readonly groups: readonly string[]
  readonly roles: readonly string[]
  readonly issuer: string
  /**
   * Through whom it speaks: the actors of RFC 8693's `act`, flattened, the current one first. With actors the principal
   * itself is on whose behalf they act.
   */
  readonly act: readonly string[]
  /** The agent's owner, where the directory knows one: may never approve for it. */
  readonly owner: string | null
  readonly token_id: string | null
  /** SHA-256 of the token as presented, hex: names the credential without holding it. */
  readonly token_digest: string
  /** Seconds since 1970. */
  readonly expires_at: number
  /** Seconds since 1970: when the identity provider issued it. Absent in what earlier versions recorded. */
  readonly issued_at?: number
  /** The client that got the token, where it names one (RFC 9068's `client_id`, or `azp`). */
  readonly client?: string
  /** Of a token of the gateway's own: the ids of those that it was exchanged for (RFC 8693). Who revokes one of them revokes it. */
  readonly exchanged_from?: readonly string[]
}

/** What a request does to what it names, from harmless to not. */
export type ActionClass = 'discover' | 'read' | 'write' | 'destroy' | 'control'

export interface Action {
  /** `<plane>.<operation>`: `postgres.update`, `sqs.ReceiveMessage`, `http.POST`. */
  readonly name: string
  readonly class: ActionClass
}

/**
 * How a request uses one part of a resource. `output`: handed out as it is, so a mask can be put over it. `derived`: an
 * expression over it is handed out. `predicate`: it steers what is handed out or done. `written`: it is changed.
 */
export type PartUse = 'output' | 'derived' | 'predicate' | 'written'

/** A column, a field, a header: the smallest thing a label or a mask can name. */
export interface ResourcePart {
  readonly name: string
  readonly labels: readonly string[]
  readonly uses: readonly PartUse[]
  /** For a written part: every value it gets, as text; null in place of the list where that can't be known beforehand. */
  readonly values?: readonly (string | null)[] | null
}

export interface Resource {
  /** `table`, `queue`, `endpoint`, …: the plane's own noun. */
  readonly type: string
  /** Fully qualified as the plane resolves it: `public.customers`. */
  readonly name: string
  readonly labels: readonly string[]
  readonly parts: readonly ResourcePart[]
}

export interface RequestContext {
  readonly plane: string
  readonly session: string
  /** RFC 3339, UTC, milliseconds. */
  readonly time: string
  readonly source: string | null
  readonly transaction: 'none' | 'open' | 'failed'
  /** Approvals that this very request has already been given. */
  readonly approvals: readonly { readonly id: string; readonly rule: string }[]
  /** Grants that the principal has now. The engine's to say, not a plane's; absent where there are none. */
  readonly grants?: readonly GrantSeen[]
}

/** A grant as policy sees it: what it covers is policy's to say. */
export type GrantSeen = {
  readonly id: string
  /** The rule that asked for approval. */
  readonly rule: string
  readonly plane: string
  /** Names of actions, or classes of them. */
  readonly actions: readonly string[]
  /** Names of resources; one that ends in `*` is the beginning of names. */
  readonly resources: readonly string[]
  /** RFC 3339; it is in force until then. */
  readonly expires: string
  readonly break_glass: boolean
  readonly approved_by: readonly string[]
}

/** One normalized request: AuthZEN's shape, with `principal` for its `subject`. */
export interface AccessRequest {
  readonly principal: Principal
  readonly action: Action
  readonly resources: readonly Resource[]
  readonly context: RequestContext
  /** What only this protocol has; reaches policy under the plane's own name (`input.postgres`). */
  readonly block: JsonObject
  /**
   * What the plane found out about the request when it came, such as how much it would read: in the block for policy, record and approver, but no part
   * of what an approval binds, since it changes while the request stays the same.
   */
  readonly observed?: JsonObject
  /**
   * The same resources and block with every client-sent value that meets a label masked: what goes into the record and
   * before an approver's eyes. The very same objects where nothing is to be masked.
   */
  readonly recorded: { readonly resources: readonly Resource[]; readonly block: JsonObject }
  /**
   * The request as it was sent, where `block` and `resources` leave something of it out (literals, values in a form that
   * can't be read): an approval of one is none of another. Never recorded; only its part in the digest is.
   */
  readonly bound?: string
  /** `Labels.revision` that this request was normalized under; another one in force means: normalize again. */
  readonly labels_revision: string
}

/** A request as policy sees it: serialized once, so that nothing can change between decision and record. */
export interface SealedRequest {
  readonly request: AccessRequest
  /** The Rego input document. */
  readonly json: string
  /**
   * SHA-256 (hex) over the gateway's binding key and all that an approval binds: principal with act chain, action, resources, block, `bound`. Time, session and
   * transaction state are left out, so that a client that reconnects attaches to its hold.
   */
  readonly digest: string
}

/** Bytes of JSON; a larger request is refused rather than cut. */
export const MAX_REQUEST_BYTES: number = 256 * 1024

// JSON.stringify writes a lone surrogate as \udXXX; a backslash of the text itself is doubled, hence the look-behind.
export const LONE_SURROGATE: RegExp = /(?<!\\)(?:\\\\)*\\ud[89a-f]/

/**
 * Serializes a request for policy. Its digest is under a key because it binds literals that no record holds: a bare hash of an
 * account number would tell it to whoever tries them all. Throws NormalizeError when it is too large or holds text that is not
 * Unicode.
 */
export function sealRequest(request: AccessRequest, bindingKey: Uint8Array): SealedRequest {
  const { principal, action, resources, context, block } = request
  const [acts, names, content] = [textOf(action), textOf(resources), textOf(block)]
  const plane = JSON.stringify(context.plane)
  const seen = request.observed === undefined ? content : textOf(seenBlock(request))
  const json = `{"principal":${textOf(principal)},"action":${acts},"resources":${names},"context":${textOf(context)},${plane}:${seen}}`
  if (json.length * 3 > MAX_REQUEST_BYTES && Buffer.byteLength(json) > MAX_REQUEST_BYTES) {
    throw new NormalizeError(
      'ERR_NORMALIZE_REQUEST',
      `the request takes more than ${MAX_REQUEST_BYTES} bytes for policy to judge`,
    )
  }
  const bound = JSON.stringify(request.bound ?? null)
  const digest = hash('sha256', `${hex(bindingKey)}[${binderOf(principal)},${acts},${names},${content},${bound}]`)
  const sealed: SealedRequest = Object.freeze({ request, json, digest })
  SEALED.add(sealed)
  return sealed
}

/** The plane's block as policy sees it; the very same object where nothing was found out. */
export function seenBlock({ block, observed }: Pick<AccessRequest, 'block' | 'observed'>): JsonObject {
  return observed === undefined ? block : { ...block, ...observed }
}

const TEXTS = new WeakMap<object, string>()

/** JSON of a part of a request. Of a constant, which comes again and again, it is written once. */
function textOf(value: object): string {
  let text = TEXTS.get(value)
  if (text !== undefined) return text
  text = JSON.stringify(value)
  if (text.includes('\\ud') && LONE_SURROGATE.test(text)) {
    throw new NormalizeError('ERR_NORMALIZE_REQUEST', 'the request holds text that is not valid Unicode')
  }
  if (isConstant(value)) TEXTS.set(value, text)
  return text
}

const BINDERS = new WeakMap<Principal, string>()

/** Who is bound by an approval: the same person with a fresh token, too. */
function binderOf(principal: Principal): string {
  const known = BINDERS.get(principal)
  if (known !== undefined) return known
  const { id, kind, issuer, act } = principal
  const text = JSON.stringify({ id, kind, issuer, act })
  if (isConstant(principal)) BINDERS.set(principal, text)
  return text
}

const SEALED = new WeakSet<object>()

/** Whether sealRequest made it: then nobody has touched its text since. */
export function isSealed(request: object): request is SealedRequest {
  return SEALED.has(request)
}

const CONSTANT = new WeakSet<object>()

/** Freezes plain data to its leaves. What is written of it once (a canonical form, a digest) may be kept. */
export function constant<T extends object>(value: T): T {
  if (CONSTANT.has(value)) return value
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) constant(inner)
  Object.freeze(value)
  CONSTANT.add(value)
  return value
}

/** Whether `constant` made it so. */
export function isConstant(value: object): boolean {
  return CONSTANT.has(value)
}

const HEX = new WeakMap<Uint8Array, string>()

// Once a key, not once a request.
function hex(key: Uint8Array): string {
  const known = HEX.get(key)
  if (known !== undefined) return known
  const text = Buffer.from(key).toString('hex')
  HEX.set(key, text)
  return text
}
