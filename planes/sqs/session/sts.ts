import type { PlaneHost } from '../../../engine/index.ts'
import { CountersignError, IdentityError, NormalizeError, ProtocolError } from '../../../engine/index.ts'
import type { HttpAnswer } from '../codec/call.ts'
import { element, XML_TYPE } from '../codec/xml.ts'
import { sessionNameOf } from '../upstream-credentials.ts'
import type { Signer } from './authentication.ts'
import type { Credentials, MintedCredentials, Role } from './credentials.ts'

const NAMESPACE = 'https://sts.amazonaws.com/doc/2011-06-15/'
const VERSION = '2011-06-15'
/** An ARN of a role, as clients must name one; what it says means nothing here beyond its name in the record. */
const ROLE = /^arn:aws[a-z-]{0,16}:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/
const SESSION = /^[\w+=,.@-]{2,64}$/
/** An ARN of a SAML provider, as clients must name one; which of the gateway's it is, the assertion's issuer says. */
const SAML_PROVIDER = /^arn:aws[a-z-]{0,16}:iam::\d{12}:saml-provider\/[\w._-]{1,128}$/
const COMMON = ['Action', 'Version', 'RoleArn', 'DurationSeconds']
const WITH_TOKEN: ReadonlySet<string> = new Set([...COMMON, 'RoleSessionName', 'WebIdentityToken'])
const WITH_ASSERTION: ReadonlySet<string> = new Set([...COMMON, 'PrincipalArn', 'SAMLAssertion'])
const LEAST_SECONDS = 900

export interface StsRooms {
  readonly host: PlaneHost
  readonly credentials: Credentials
  readonly account: string
  readonly lifetimeSeconds: number
}

/** The part of STS that an SDK needs to get an identity at the gateway from a token of the bank's. */
export class SecurityTokenService {
  readonly #rooms: StsRooms

  constructor(rooms: StsRooms) {
    this.#rooms = rooms
  }

  /** Unsigned: the token is the credential. A session policy would narrow what is given, so one that we can't honour is refused. */
  async assumeRoleWithWebIdentity(
    fields: ReadonlyMap<string, string>,
    source: string | null,
    requestId: string,
  ): Promise<HttpAnswer> {
    checkFields(fields, WITH_TOKEN)
    const role = { arn: fields.get('RoleArn') ?? '', session: fields.get('RoleSessionName') ?? '' }
    if (!ROLE.test(role.arn) || !SESSION.test(role.session)) throw invalid('RoleArn or RoleSessionName in another form')
    const seconds = this.#seconds(fields.get('DurationSeconds'))
    const token = fields.get('WebIdentityToken') ?? ''
    const principal = await this.#rooms.host.identify({ kind: 'token', token, source })
    const minted = await this.#rooms.credentials.mint(principal, role, seconds)
    const inner =
      element('SubjectFromWebIdentityToken', principal.id) +
      element('Provider', principal.issuer) +
      this.#assumed(role, minted)
    return answer('AssumeRoleWithWebIdentity', inner, requestId)
  }

  /**
   * Unsigned too: the assertion is the credential, good for once. The session is named after its subject, as AWS names it
   * after an attribute of the assertion, and not by the client.
   */
  async assumeRoleWithSaml(
    fields: ReadonlyMap<string, string>,
    source: string | null,
    requestId: string,
  ): Promise<HttpAnswer> {
    checkFields(fields, WITH_ASSERTION)
    const arn = fields.get('RoleArn') ?? ''
    if (!ROLE.test(arn) || !SAML_PROVIDER.test(fields.get('PrincipalArn') ?? ''))
      throw invalid('RoleArn or PrincipalArn in another form')
    const seconds = this.#seconds(fields.get('DurationSeconds')) // all else is judged first: the assertion is spent then
    const assertion = fields.get('SAMLAssertion') ?? ''
    const principal = await this.#rooms.host.identify({ kind: 'saml', assertion, source })
    const role = { arn, session: sessionNameOf(principal.id) }
    const minted = await this.#rooms.credentials.mint(principal, role, seconds)
    const inner = element('Subject', principal.id) + element('Issuer', principal.issuer) + this.#assumed(role, minted)
    return answer('AssumeRoleWithSAML', inner, requestId)
  }

  /** The same credentials as JSON, for SDKs that ask as containers do (`AWS_CONTAINER_CREDENTIALS_FULL_URI`). */
  async containerCredentials(token: string, source: string | null): Promise<HttpAnswer> {
    const principal = await this.#rooms.host.identify({ kind: 'token', token, source })
    const arn = `arn:aws:iam::${this.#rooms.account}:role/container`
    const minted = await this.#rooms.credentials.mint(
      principal,
      { arn, session: 'container' },
      this.#rooms.lifetimeSeconds,
    )
    const body = {
      AccessKeyId: minted.accessKeyId,
      SecretAccessKey: minted.secretAccessKey,
      Token: minted.sessionToken,
      Expiration: timeOf(minted.expiresAt),
    }
    return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  }

  callerIdentity({ accessKeyId, principal, role }: Signer, requestId: string): HttpAnswer {
    const session = role?.session ?? 'static'
    const inner =
      element('Arn', this.#assumedRole(role?.arn ?? 'role/static', session)) +
      element('UserId', `${accessKeyId}:${principal.id}`) +
      element('Account', this.#rooms.account)
    return answer('GetCallerIdentity', inner, requestId)
  }

  #assumed(role: Role, minted: MintedCredentials): string {
    const arn = this.#assumedRole(role.arn, role.session)
    return (
      element('AssumedRoleUser', element('AssumedRoleId', `AROA:${role.session}`) + element('Arn', arn), 'raw') +
      element('Credentials', credentialsXml(minted), 'raw')
    )
  }

  #assumedRole(roleArn: string, session: string): string {
    return `arn:aws:sts::${this.#rooms.account}:assumed-role/${roleArn.split('/').at(-1) ?? ''}/${session}`
  }

  #seconds(written: string | undefined): number {
    if (written === undefined) return this.#rooms.lifetimeSeconds
    if (!/^\d{3,5}$/.test(written) || Number(written) < LEAST_SECONDS) throw invalid('DurationSeconds below 900')
    return Math.min(Number(written), this.#rooms.lifetimeSeconds)
  }
}

function checkFields(fields: ReadonlyMap<string, string>, taken: ReadonlySet<string>): void {
  if ([...fields.keys()].some((name) => !taken.has(name)))
    throw invalid('a parameter that is not honoured here, such as a session policy')
  if ((fields.get('Version') ?? VERSION) !== VERSION) throw invalid('another version of STS')
}

/** An error in STS's form and words. */
export function stsFault(error: unknown, requestId: string): HttpAnswer {
  const [status, code] = codeOf(error)
  const message = error instanceof CountersignError ? error.message : 'the gateway cannot go on'
  const inner =
    element(
      'Error',
      element('Type', status < 500 ? 'Sender' : 'Receiver') + element('Code', code) + element('Message', message),
      'raw',
    ) + element('RequestId', requestId)
  return xml(status, 'ErrorResponse', inner)
}

function codeOf(error: unknown): readonly [status: number, code: string] {
  if (error instanceof IdentityError) {
    if (error.code === 'ERR_IDENTITY_EXPIRED') return [400, 'ExpiredTokenException']
    return error.code === 'ERR_IDENTITY_PROVIDER' ? [400, 'IDPCommunicationError'] : [400, 'InvalidIdentityToken']
  }
  if (error instanceof NormalizeError || error instanceof ProtocolError) return [400, 'ValidationError']
  return [503, 'ServiceUnavailable']
}

function credentialsXml({ accessKeyId, secretAccessKey, sessionToken, expiresAt }: MintedCredentials): string {
  return (
    element('AccessKeyId', accessKeyId) +
    element('SecretAccessKey', secretAccessKey) +
    element('SessionToken', sessionToken) +
    element('Expiration', timeOf(expiresAt))
  )
}

function timeOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}

function answer(action: string, inner: string, requestId: string): HttpAnswer {
  const metadata = element('ResponseMetadata', element('RequestId', requestId), 'raw')
  return xml(200, `${action}Response`, element(`${action}Result`, inner, 'raw') + metadata)
}

function xml(status: number, root: string, inner: string): HttpAnswer {
  return { status, headers: { 'content-type': XML_TYPE }, body: `<${root} xmlns="${NAMESPACE}">${inner}</${root}>` }
}

function invalid(what: string): NormalizeError {
  return new NormalizeError('ERR_NORMALIZE_REQUEST', `the request holds ${what}`)
}
