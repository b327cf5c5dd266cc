import { createHash } from 'node:crypto'
import { SAML, ValidateInResponseTo } from '@node-saml/node-saml'
import type { Principal } from '../../access-request.ts'
import { IdentityError } from '../../errors.ts'
import type { AskedAssertion } from '../credentials.ts'
import { readResponse, type ResponseForm } from './response-form.ts'
import { samlPrincipal } from './saml-principal.ts'
import { checkSamlProviders, type SamlProvider } from './saml-provider.ts'
import { checkAnswer, misdirected, readStatement } from './statement.ts'
import { malformed } from './xml.ts'

/** Turns SAML 2.0 assertions into principals, each once. */
export interface AssertionVerifier {
  /**
   * `encoded`: a response in base64, or an assertion alone. The assertion is spent when this resolves: at every gateway on the
   * same state, and over restarts. `asked`: it answers this request of the gateway; else it must answer none. Throws IdentityError with one code per failure.
   */
  verify(encoded: string, asked?: AskedAssertion): Promise<ProvenAssertion>
}

export interface ProvenAssertion {
  readonly principal: Principal
  readonly spent: SpentAssertion
}

/** An assertion that was used: SHA-256 over its issuer and id, and from when on (ms since 1970) it is refused for its age. */
export interface SpentAssertion {
  readonly digest: string
  readonly forgetAt: number
}

export interface AssertionOptions {
  /** Milliseconds since 1970. */
  now(): number
  /** Names that other issuers have: two must not share one. */
  readonly taken: readonly string[]
  /** Durable: true for the first that asks for this one, and for nobody after. It may be forgotten from `forgetAt` on. */
  use(assertion: SpentAssertion): Promise<boolean>
}

interface Known {
  readonly provider: SamlProvider
  readonly saml: SAML
}

/** Throws ConfigError for providers that can't be trusted by their very configuration. */
export function createAssertionVerifier(
  providers: readonly SamlProvider[],
  options: AssertionOptions,
): AssertionVerifier {
  checkSamlProviders(providers, options.taken)
  const known = providers.map((provider): Known => ({ provider, saml: libraryFor(provider) }))
  return { verify: (encoded, asked) => verify(encoded, asked ?? null, known, options) }
}

/** Its own rules on times and recipients are weaker than ours, which follow; the signature is its work. */
function libraryFor({ certificates, audience, recipient, issuer }: SamlProvider): SAML {
  return new SAML({
    idpCert: [...certificates],
    idpIssuer: issuer,
    issuer: audience,
    audience,
    callbackUrl: recipient,
    wantAssertionsSigned: true,
    wantAuthnResponseSigned: false, // what counts is the assertion's own
    validateInResponseTo: ValidateInResponseTo.never, // checkUnasked: there must be none
    acceptedClockSkewMs: 60_000,
  })
}

async function verify(
  encoded: string,
  asked: AskedAssertion | null,
  known: readonly Known[],
  options: AssertionOptions,
): Promise<ProvenAssertion> {
  const form = readResponse(encoded)
  const { provider: configured, saml } = issuerOf(form, known)
  const provider = asked === null ? configured : { ...configured, recipient: asked.recipient }
  const request = asked?.request ?? null
  const statement = readStatement(await signedBytes(form, saml), { provider, request, now: options.now() })
  if (form.destination !== null && form.destination !== provider.recipient) throw misdirected(provider)
  if (form.inResponseTo !== null) checkAnswer(form.inResponseTo, request)
  if (statement.id === '') throw malformed('has no ID')
  const digest = createHash('sha256').update(encoded).digest('hex')
  const principal = samlPrincipal(statement, provider, { digest, now: options.now() })
  const name = JSON.stringify([provider.issuer, statement.id])
  const spent = { digest: createHash('sha256').update(name).digest('hex'), forgetAt: statement.overAt }
  if (await options.use(spent)) return { principal, spent }
  throw new IdentityError('ERR_IDENTITY_REPLAYED', 'the SAML assertion was used before: get a fresh one')
}

function issuerOf({ issuer }: ResponseForm, known: readonly Known[]): Known {
  const found = known.find(({ provider }) => provider.issuer === issuer)
  if (found !== undefined) return found
  const expected = known.map(({ provider }) => provider.issuer).join(' or ')
  throw new IdentityError('ERR_IDENTITY_ISSUER', `the SAML assertion is not from ${expected}`)
}

/** What the signature covers, and nothing else: everything else in the response is anybody's to write. */
async function signedBytes({ xml }: ResponseForm, saml: SAML): Promise<string> {
  try {
    const { profile } = await saml.validatePostResponseAsync({ SAMLResponse: Buffer.from(xml).toString('base64') })
    const signed = profile?.getAssertionXml?.()
    if (signed !== undefined) return signed
  } catch (error) {
    throw refusalOf(error)
  }
  throw malformed('is not what was signed')
}

/** The library tells its refusals apart by their words; ours name what an operator can do something about. */
function refusalOf(cause: unknown): IdentityError {
  const said = cause instanceof Error ? cause.message : ''
  if (/expired/.test(said)) return new IdentityError('ERR_IDENTITY_EXPIRED', 'the SAML assertion is over', { cause })
  if (/not yet valid/.test(said)) {
    return new IdentityError('ERR_IDENTITY_NOT_YET_VALID', 'the SAML assertion is not valid yet', { cause })
  }
  if (/audience/i.test(said)) {
    return new IdentityError('ERR_IDENTITY_AUDIENCE', 'the SAML assertion is meant for somebody else', { cause })
  }
  return new IdentityError('ERR_IDENTITY_SIGNATURE', "the SAML assertion's signature is not by its issuer's key", {
    cause,
  })
}
