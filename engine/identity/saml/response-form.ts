import {
  attributeOf,
  childrenOf,
  everyElement,
  malformed,
  named,
  NAMESPACE,
  only,
  parseXml,
  type Element,
} from './xml.ts'

/** Bytes of a response or an assertion that are looked at at all. */
const MAX_BYTES = 256 * 1024
const MAX_ELEMENTS = 2_000

const SUCCESS = 'urn:oasis:names:tc:SAML:2.0:status:Success'
const CANONICAL = 'http://www.w3.org/2001/10/xml-exc-c14n#'
const ENVELOPED = 'http://www.w3.org/2000/09/xmldsig#enveloped-signature'
/** Without SHA-1: what it signs, two documents can share. */
const SIGNATURES = [
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512',
]
const DIGESTS = ['http://www.w3.org/2001/04/xmlenc#sha256', 'http://www.w3.org/2001/04/xmlenc#sha512']

/** A response whose form leaves no doubt about what its signature covers; believed in nothing yet. */
export interface ResponseForm {
  /** Of the whole response, as a library takes it; around a bare assertion the shell of one. */
  readonly xml: string
  /** Who the assertion says it is from; chooses whose certificate is asked, and nothing else. */
  readonly issuer: string
  readonly destination: string | null
  readonly inResponseTo: string | null
}

/**
 * Judges the form of a base64 or base64url SAML response, or bare assertion, before any signature is looked at: one assertion, where it belongs, signed as a
 * whole by one enveloped signature, and no element whose ID another one has. Every signature wrapping needs one of these
 * to be otherwise. Throws ERR_IDENTITY_ASSERTION.
 */
export function readResponse(encoded: string): ResponseForm {
  const text = decode(encoded)
  const root = parseXml(text).documentElement
  if (root === null) throw malformed('is empty')
  if (root.namespaceURI === NAMESPACE.assertion && root.localName === 'Assertion') return bare(text, root)
  if (root.namespaceURI !== NAMESPACE.protocol || root.localName !== 'Response') throw malformed('is no SAML response')
  checkResponse(root)
  const assertion = only(root, NAMESPACE.assertion, 'Assertion')
  checkDocument(root, assertion)
  return {
    xml: text,
    issuer: issuerOf(assertion),
    destination: attributeOf(root, 'Destination'),
    inResponseTo: attributeOf(root, 'InResponseTo'),
  }
}

/** RFC 8693, 3: the token type `saml2` is a bare assertion. Its signature covers it wherever it stands. */
function bare(text: string, assertion: Element): ResponseForm {
  checkDocument(assertion, assertion)
  const shell = `<samlp:Response xmlns:samlp="${NAMESPACE.protocol}" ID="shell" Version="2.0">`
  const xml = `${shell}${text.replace(/^<\?xml [^<>?]*\?>/, '').trim()}</samlp:Response>`
  return { xml, issuer: issuerOf(assertion), destination: null, inResponseTo: null }
}

function decode(encoded: string): string {
  const compact = encoded.replaceAll(/[\r\n]/g, '')
  if (compact.length > (MAX_BYTES * 4) / 3) throw malformed(`is longer than ${MAX_BYTES} bytes`)
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(compact)) throw malformed('is not base64')
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(compact, 'base64'))
  } catch {
    throw malformed('is not UTF-8')
  }
}

function checkResponse(response: Element): void {
  const children = childrenOf(response)
  const parts = [
    ['issuer', named(children, NAMESPACE.assertion, 'Issuer')],
    ['signature', named(children, NAMESPACE.signature, 'Signature')],
    ['status', named(children, NAMESPACE.protocol, 'Status')],
    ['assertion', named(children, NAMESPACE.assertion, 'Assertion')],
  ] as const
  if (named(children, NAMESPACE.assertion, 'EncryptedAssertion').length > 0) {
    throw malformed('is encrypted, and the gateway has no key for that')
  }
  const known = parts.reduce((count, [, found]) => count + found.length, 0)
  if (known !== children.length) throw malformed('stands beside what does not belong into a response')
  const twice = parts.find(([, found]) => found.length > 1)
  if (twice !== undefined) throw malformed(`stands in a response with more than one ${twice[0]}`)
  const status = only(response, NAMESPACE.protocol, 'Status')
  if (attributeOf(only(status, NAMESPACE.protocol, 'StatusCode'), 'Value') !== SUCCESS) {
    throw malformed('stands in a response that tells of a failure')
  }
  const issuer = named(children, NAMESPACE.assertion, 'Issuer')[0]
  if (issuer !== undefined && issuer.textContent !== issuerOf(only(response, NAMESPACE.assertion, 'Assertion'))) {
    throw malformed('is from another issuer than its response')
  }
}

function issuerOf(assertion: Element): string {
  return only(assertion, NAMESPACE.assertion, 'Issuer').textContent ?? ''
}

function checkDocument(root: Element, assertion: Element): void {
  const all = [...everyElement(root)]
  if (all.length > MAX_ELEMENTS) throw malformed(`has more than ${MAX_ELEMENTS} elements`)
  const others = all.filter(({ localName }) => localName === 'Assertion' || localName === 'EncryptedAssertion')
  if (others.length !== 1) throw malformed('is not the only one in its document')
  checkIds(all)
  const signatures = all.filter(({ localName }) => localName === 'Signature')
  const own = only(assertion, NAMESPACE.signature, 'Signature')
  for (const signature of signatures) {
    if (signature !== own && signature.parentNode !== root) throw malformed('holds a signature where none belongs')
    checkSignature(signature, signature === own ? assertion : root)
  }
}

/** ID in SAML; Id and id where others' signatures look for it. */
function checkIds(all: readonly Element[]): void {
  const ids = all.flatMap((element) =>
    Array.from(element.attributes).flatMap(({ localName, value }) =>
      localName?.toLowerCase() === 'id' ? [value] : [],
    ),
  )
  if (new Set(ids).size !== ids.length) throw malformed('has an ID that is there twice')
}

function method(parent: Element, name: string): string | null {
  return attributeOf(only(parent, NAMESPACE.signature, name), 'Algorithm')
}

/** Exactly what SAML core, 5.4 profiles: one reference, to the element itself, whole. */
function checkSignature(signature: Element, signed: Element): void {
  const info = only(signature, NAMESPACE.signature, 'SignedInfo')
  const reference = only(info, NAMESPACE.signature, 'Reference')
  const id = attributeOf(signed, 'ID') ?? ''
  if (id === '' || attributeOf(reference, 'URI') !== `#${id}`) throw malformed('has a signature over something else')
  if (named(childrenOf(signature), NAMESPACE.signature, 'Object').length > 0) {
    throw malformed('has a signature that holds an object')
  }
  const transforms = childrenOf(only(reference, NAMESPACE.signature, 'Transforms')).map((each) =>
    attributeOf(each, 'Algorithm'),
  )
  if (transforms.length !== 2 || transforms[0] !== ENVELOPED || transforms[1] !== CANONICAL) {
    throw malformed('is signed through transforms other than enveloped-signature and exclusive canonicalization')
  }
  const allowed =
    method(info, 'CanonicalizationMethod') === CANONICAL &&
    SIGNATURES.includes(method(info, 'SignatureMethod') ?? '') &&
    DIGESTS.includes(method(reference, 'DigestMethod') ?? '')
  if (!allowed) throw malformed('is signed with an algorithm that is not on the list (RSA with SHA-256 or SHA-512)')
}
