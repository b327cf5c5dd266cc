import type { JsonObject, Principal } from '../access-request.ts'
import { IdentityError } from '../errors.ts'
import type { RecordDraft } from '../evidence/index.ts'
import type { Credentials } from './credentials.ts'
import type { OwnIssuer } from './own-issuer.ts'
import { readToken } from './token-text.ts'

/** RFC 8693: whose token is asked for, and who will act with it. */
export interface ExchangeRequest {
  readonly subject: { readonly kind: 'token' | 'saml'; readonly text: string }
  /** The token of who acts for the subject; null: the subject itself. */
  readonly actor: string | null
  readonly source: string | null
  /** Of the connection; see TokenCredentials. */
  readonly certificate: string | null
}

export interface IssuedToken {
  readonly token: string
  /** Seconds since 1970. */
  readonly expiresAt: number
  readonly issuedAt: number
}

/**
 * Who may act for whom. `may_act`: only whom the subject's token names (RFC 8693, 4.4). `any`: everybody who has got hold of
 * a subject's token, for banks whose provider can't write that claim. `off`: nobody.
 */
export type Delegation = 'may_act' | 'any' | 'off'

export interface TokenExchangeOptions {
  readonly issuer: OwnIssuer
  readonly delegation: Delegation
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly newId: () => string
  /** The door that every credential goes through: verified, not revoked, recorded. */
  identify(credentials: Credentials): Promise<Principal>
  /** Durable in evidence when it resolves. */
  readonly record: (draft: RecordDraft) => Promise<void>
}

/** Actors in a chain: more than these, and nobody can say any longer who answers for what is done. */
const MAX_CHAIN = 4

/** Exchanges what somebody has proven elsewhere for a short-lived token of the gateway's own. Every failure is an IdentityError. */
export class TokenExchange {
  readonly #options: TokenExchangeOptions

  constructor(options: TokenExchangeOptions) {
    this.#options = options
  }

  get issuer(): OwnIssuer {
    return this.#options.issuer
  }

  /** The token's issuance is in evidence when this resolves. */
  async exchange(request: ExchangeRequest): Promise<IssuedToken> {
    const { actor, source, certificate } = request
    if (actor === null) {
      if (request.subject.kind === 'saml') return this.#issue(await this.#subject(request), null)
      throw refused('a token is exchanged only together with an actor_token: as it is, it serves here already')
    }
    if (this.#options.delegation === 'off')
      throw refused('nobody may act for another here (identity.exchange.delegation)')
    const acting = await this.#options.identify({ kind: 'token', token: actor, source, certificate })
    const subject = await this.#subject(request)
    const mayAct = request.subject.kind === 'token' ? readToken(request.subject.text).claims['may_act'] : undefined
    try {
      checkDelegation(subject, acting, this.#options.delegation === 'any' ? 'anybody' : mayAct)
    } catch (error) {
      if (error instanceof IdentityError) await this.#recordRefusal(acting, source, error)
      throw error
    }
    return this.#issue(delegated(subject, acting), bindingOf(actor))
  }

  /** Of who is proven to be somebody, and asks to be somebody else. */
  #recordRefusal(principal: Principal, source: string | null, { code }: IdentityError): Promise<void> {
    return this.#options.record({ event: 'identity.rejected', principal, detail: { plane: 'api', source, code } })
  }

  #subject({ subject: { kind, text }, source, certificate }: ExchangeRequest): Promise<Principal> {
    const credentials: Credentials =
      kind === 'saml' ? { kind, assertion: text, source } : { kind, token: text, source, certificate }
    return this.#options.identify(credentials)
  }

  async #issue(who: Principal, cnf: JsonObject | null): Promise<IssuedToken> {
    const { issuer, newId, now, record } = this.#options
    const id = newId()
    const issuedAt = Math.floor(now() / 1000)
    const principal: Principal = { ...who, exchanged_from: who.exchanged_from ?? idsOf(who) }
    const { token, expiresAt } = await issuer.sign({ id, principal, cnf }, issuedAt)
    const detail = {
      token: id,
      expires: new Date(expiresAt * 1000).toISOString(),
      audience: issuer.config.audience,
      from: principal.exchanged_from ?? [],
    }
    await record({ event: 'credential.issued', principal, detail })
    return { token, expiresAt, issuedAt }
  }
}

/** Whoever's token it is, and what it was itself exchanged for: who revokes one of them revokes what came of it. */
function idsOf({ token_id, token_digest, exchanged_from = [] }: Principal): readonly string[] {
  return [token_id ?? token_digest, ...exchanged_from]
}

/**
 * A chain is only ever made longer by who acts now, in front (RFC 8693, 4.1). Names in a chain bear no issuer, so both must be
 * of one, unless the subject's own token says otherwise.
 */
function checkDelegation(subject: Principal, actor: Principal, mayAct: JsonObject[string] | undefined): void {
  if (actor.kind === 'person') throw refused('a person acts with a token of their own: the actor must be an agent')
  if (actor.act.length > 0) throw refused('the actor’s own token is delegated: the actor must come as itself')
  if (actor.id === subject.id || subject.act.includes(actor.id)) throw refused('the actor is in the chain already')
  if (subject.act.length >= MAX_CHAIN) throw refused(`the chain would be of more than ${MAX_CHAIN} actors`)
  if (mayAct === 'anybody') {
    if (actor.issuer === subject.issuer) return
    throw refused('the two tokens are of different issuers')
  }
  const { sub, iss = subject.issuer } = typeof mayAct === 'object' && mayAct !== null ? Object(mayAct) : {}
  if (sub === actor.id && iss === actor.issuer) return
  throw refused('the subject’s token does not name the actor as one that may act for it (may_act)')
}

function delegated(subject: Principal, actor: Principal): Principal {
  return {
    ...subject,
    kind: 'agent',
    act: [actor.id, ...subject.act],
    owner: actor.owner,
    client: actor.client ?? actor.id,
    expires_at: Math.min(subject.expires_at, actor.expires_at),
    exchanged_from: [...new Set([...idsOf(subject), ...idsOf(actor)])],
  }
}

/** It has been verified a moment ago. */
function bindingOf(token: string): JsonObject | null {
  const { cnf } = readToken(token).claims
  return typeof cnf === 'object' && cnf !== null && !Array.isArray(cnf) ? { ...Object(cnf) } : null
}

function refused(what: string): IdentityError {
  return new IdentityError('ERR_IDENTITY_DELEGATION', what)
}
