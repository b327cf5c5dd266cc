import type { PlaneHost, Principal } from '../../../engine/index.ts'
import { IdentityError } from '../../../engine/index.ts'
import type { HttpMessage } from '../codec/http-message.ts'
import type { StaticKey } from '../config.ts'
import type { Credentials, Role } from './credentials.ts'
import { isSignedWith, readClaim, signatureRefused, type SigningScope } from './signature.ts'

/** Who signed a request. */
export interface Signer {
  /** Names the credentials: one session in evidence for each. */
  readonly accessKeyId: string
  readonly principal: Principal
  readonly role: Role | null
}

/** A secret that nobody has: with it an unknown key costs as much to refuse as a wrong signature. */
const NOBODY = 'nobody'

/** Verifies signatures; everything that fails is recorded by its code, and told apart by nobody. */
export class Authentication {
  readonly #host: PlaneHost
  readonly #credentials: Credentials
  readonly #static: ReadonlyMap<string, StaticKey>
  readonly #now: () => number

  constructor(host: PlaneHost, credentials: Credentials, staticKeys: readonly StaticKey[], now: () => number) {
    this.#host = host
    this.#credentials = credentials
    this.#static = new Map(staticKeys.map((key) => [key.accessKeyId, key]))
    this.#now = now
  }

  /** Throws IdentityError, once it is recorded. */
  async verify(message: HttpMessage, scope: SigningScope): Promise<Signer> {
    try {
      return await this.#verify(message, scope)
    } catch (error) {
      if (error instanceof IdentityError) await this.#host.refused(error.code, message.source)
      throw error
    }
  }

  async #verify(message: HttpMessage, scope: SigningScope): Promise<Signer> {
    const claim = readClaim(message, scope, this.#now())
    const known = this.#static.get(claim.accessKeyId)
    if (known !== undefined) {
      if (!isSignedWith(known.secret, claim, message)) throw signatureRefused('ERR_IDENTITY_SIGNATURE')
      const principal = await this.#host.identify({ kind: 'token', token: known.token, source: message.source })
      return { accessKeyId: claim.accessKeyId, principal, role: null }
    }
    const token = message.headers.get('x-amz-security-token') ?? ''
    const caller = await this.#credentials.read(token, claim.accessKeyId).catch((error: unknown) => {
      isSignedWith(NOBODY, claim, message)
      throw error
    })
    if (!isSignedWith(caller.secret, claim, message)) throw signatureRefused('ERR_IDENTITY_SIGNATURE')
    const { accessKeyId, principal, role } = caller
    return { accessKeyId, principal, role }
  }
}
