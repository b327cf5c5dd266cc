import { IdentityError } from '../../errors.ts'
import type { SamlProvider } from './saml-provider.ts'
import { attributeOf, childrenOf, malformed, named, NAMESPACE, only, parseXml, textOf, type Element } from './xml.ts'

/** How far the provider's clock and ours may be apart. */
const SKEW_MS = 60_000
const BEARER = 'urn:oasis:names:tc:SAML:2.0:cm:bearer'
/** Conditions that are understood; SAML core, 2.5.1.1: one that isn't makes the assertion's validity unknown. */
const CONDITIONS = ['AudienceRestriction', 'OneTimeUse', 'ProxyRestriction']

/** What a validly signed assertion says, its conditions met. */
export interface Statement {
  readonly id: string
  readonly nameId: string
  readonly attributes: ReadonlyMap<string, readonly string[]>
  /** Milliseconds since 1970. */
  readonly issuedAt: number
  /** From then on it would be refused for its age: nobody needs to remember that it was used. */
  readonly overAt: number
  /** Until when the provider's own session lasts, where it says so. */
  readonly sessionUntil: number | null
}

/** What the statement must fit. */
export interface Terms {
  readonly provider: SamlProvider
  /** The ID of the request that it answers; null: none. */
  readonly request: string | null
  /** Milliseconds since 1970. */
  readonly now: number
}

/** Reads the very bytes that the signature covers. Throws IdentityError, one code per rule that is broken. */
export function readStatement(signed: string, terms: Terms): Statement {
  const { provider, now } = terms
  const assertion = parseXml(signed).documentElement
  if (assertion === null || assertion.localName !== 'Assertion') throw malformed('is not what was signed')
  if (attributeOf(assertion, 'Version') !== '2.0') throw malformed('is of another version than 2.0')
  if (textOf(only(assertion, NAMESPACE.assertion, 'Issuer')) !== provider.issuer) {
    throw new IdentityError('ERR_IDENTITY_ISSUER', `the SAML assertion is not from ${provider.issuer}`)
  }
  const issuedAt = timeIn(assertion, 'IssueInstant')
  checkAge(issuedAt, provider, now)
  const subject = only(assertion, NAMESPACE.assertion, 'Subject')
  const confirmedUntil = checkConfirmation(only(subject, NAMESPACE.assertion, 'SubjectConfirmation'), terms)
  const until = checkConditions(only(assertion, NAMESPACE.assertion, 'Conditions'), provider, now)
  const authentication = only(assertion, NAMESPACE.assertion, 'AuthnStatement')
  const sessionUntil =
    attributeOf(authentication, 'SessionNotOnOrAfter') === null ? null : timeIn(authentication, 'SessionNotOnOrAfter')
  if (sessionUntil !== null) notOver(sessionUntil, now)
  return {
    id: attributeOf(assertion, 'ID') ?? '',
    nameId: textOf(only(subject, NAMESPACE.assertion, 'NameID')),
    attributes: attributesOf(assertion),
    issuedAt,
    overAt: Math.min(confirmedUntil, until, issuedAt + provider.maxAgeSeconds * 1000) + SKEW_MS,
    sessionUntil,
  }
}

function checkAge(issuedAt: number, { maxAgeSeconds }: SamlProvider, now: number): void {
  if (issuedAt > now + SKEW_MS) throw early()
  if (now >= issuedAt + maxAgeSeconds * 1000 + SKEW_MS) throw over()
}

/** SAML profiles, 4.1.4.2: a bearer's confirmation names the recipient, ends, doesn't begin, and answers what was asked. */
function checkConfirmation(confirmation: Element, { provider, request, now }: Terms): number {
  if (attributeOf(confirmation, 'Method') !== BEARER) {
    throw new IdentityError('ERR_IDENTITY_BINDING', 'the SAML assertion is bound in a way that can not be checked here')
  }
  const data = only(confirmation, NAMESPACE.assertion, 'SubjectConfirmationData')
  if (attributeOf(data, 'Recipient') !== provider.recipient) throw misdirected(provider)
  if (attributeOf(data, 'NotBefore') !== null) throw malformed('has a confirmation with a NotBefore')
  checkAnswer(attributeOf(data, 'InResponseTo'), request)
  return notOver(timeIn(data, 'NotOnOrAfter'), now)
}

/** An answer to another request is somebody else's, and was stolen from them; or was put into this browser by who wants it to be theirs. */
export function checkAnswer(inResponseTo: string | null, request: string | null): void {
  if (inResponseTo === request) return
  if (request === null) throw malformed('answers a request (InResponseTo), and the gateway has made none')
  throw malformed('does not answer the request that this sign-in was begun with (InResponseTo)')
}

export function misdirected({ recipient }: SamlProvider): IdentityError {
  return new IdentityError('ERR_IDENTITY_RECIPIENT', `the SAML assertion was not sent to ${recipient}`)
}

function checkConditions(conditions: Element, { audience }: SamlProvider, now: number): number {
  const children = childrenOf(conditions)
  if (
    children.some((each) => each.namespaceURI !== NAMESPACE.assertion || !CONDITIONS.includes(each.localName ?? ''))
  ) {
    throw malformed('has a condition that is not known here')
  }
  if (attributeOf(conditions, 'NotBefore') !== null && timeIn(conditions, 'NotBefore') > now + SKEW_MS) throw early()
  const restrictions = named(children, NAMESPACE.assertion, 'AudienceRestriction')
  const isMeant = (restriction: Element): boolean =>
    named(childrenOf(restriction), NAMESPACE.assertion, 'Audience').some((each) => textOf(each) === audience)
  if (restrictions.length === 0 || !restrictions.every(isMeant)) {
    throw new IdentityError('ERR_IDENTITY_AUDIENCE', `the SAML assertion is not meant for ${audience}`)
  }
  return notOver(timeIn(conditions, 'NotOnOrAfter'), now)
}

function attributesOf(assertion: Element): ReadonlyMap<string, readonly string[]> {
  const attributes = new Map<string, readonly string[]>()
  for (const statement of named(childrenOf(assertion), NAMESPACE.assertion, 'AttributeStatement')) {
    for (const attribute of childrenOf(statement)) {
      const name = attributeOf(attribute, 'Name')
      if (attribute.localName !== 'Attribute' || name === null) throw malformed('has an attribute that can not be read')
      if (attributes.has(name)) throw malformed('has an attribute that is there twice')
      attributes.set(name, childrenOf(attribute).map(textOf))
    }
  }
  return attributes
}

function timeIn(element: Element, name: string): number {
  const written = attributeOf(element, name) ?? ''
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/.test(written)) {
    throw malformed(`must have a time in UTC as ${name} of its ${element.localName}`)
  }
  return Date.parse(written)
}

function notOver(until: number, now: number): number {
  if (!(until + SKEW_MS > now)) throw over() // also what is no time, such as a 31st of February
  return until
}

function over(): IdentityError {
  return new IdentityError('ERR_IDENTITY_EXPIRED', 'the SAML assertion is over: get a fresh one')
}

function early(): IdentityError {
  return new IdentityError(
    'ERR_IDENTITY_NOT_YET_VALID',
    'the SAML assertion is not valid yet; do the two clocks agree?',
  )
}
