import { randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import { SignedXml } from 'xml-crypto'
import type { SamlProvider } from '../../engine/identity/index.ts'
import { selfSigned } from './certificates.ts'

// samlify's types bring the browser's along, and Node's go unrecognised with them: only what is used of it is named here.
interface Samlify {
  setSchemaValidator(validator: { validate(): Promise<string> }): void
  IdentityProvider(settings: object): {
    createLoginResponse(
      sp: object,
      request: object,
      binding: 'post',
      user: object,
      replace: (template: string) => { id: string; context: string },
    ): Promise<{ readonly context: string }>
  }
  ServiceProvider(settings: object): object
  readonly Constants: { readonly namespace: { readonly binding: { readonly post: string } } }
}
const samlify: Samlify = createRequire(import.meta.url)('samlify')

/** What an assertion says; each can be made otherwise by a test. */
export interface AssertionFacts {
  readonly id: string
  readonly issuer: string
  readonly nameId: string
  readonly audience: string
  readonly recipient: string
  readonly issued: Date
  readonly notBefore: Date
  readonly notOnOrAfter: Date
  readonly attributes: Readonly<Record<string, readonly string[]>>
  /** Raw XML, in the place that each is named after. */
  readonly confirmationAttributes: string
  readonly conditions: string
}

export interface SamlIdentityProvider {
  /** What a bank would configure for it. */
  readonly provider: SamlProvider
  /** PEM of its private key: for those who test what happens when it signs something else. */
  readonly key: string
  /** A response as samlify's identity provider makes and signs it: base64. */
  respond(facts?: Partial<AssertionFacts>): Promise<string>
  /** The text of an assertion that isn't signed yet. */
  assertion(facts?: Partial<AssertionFacts>): string
}

const POST = samlify.Constants.namespace.binding.post

/** A SAML 2.0 identity provider with a key of its own; nothing listens: browsers carry what it says. */
export function samlIdentityProvider(overrides: Partial<SamlProvider> = {}): SamlIdentityProvider {
  samlify.setSchemaValidator({ validate: () => Promise.resolve('not validated against the schema here') })
  const { certificate, key } = selfSigned('saml.bank.example')
  const provider: SamlProvider = {
    issuer: 'https://saml.bank.example/metadata',
    certificates: [certificate],
    audience: 'https://gateway.bank.example/saml',
    recipient: 'https://gateway.bank.example/saml/acs',
    maxAgeSeconds: 300,
    maxLifetimeSeconds: 8 * 3600,
    attributes: { subject: null, groups: 'groups', roles: 'roles', kind: 'kind', owner: 'owner' },
    ...overrides,
  }
  const defaults = (): AssertionFacts => ({
    id: `_${randomUUID()}`,
    issuer: provider.issuer,
    nameId: 'ann',
    audience: provider.audience,
    recipient: provider.recipient,
    issued: new Date(),
    notBefore: new Date(Date.now() - 5_000),
    notOnOrAfter: new Date(Date.now() + 120_000),
    attributes: { groups: ['payments'], kind: ['person'] },
    confirmationAttributes: '',
    conditions: '',
  })
  const assertion = (facts: Partial<AssertionFacts> = {}): string => assertionText({ ...defaults(), ...facts })
  const idp = samlify.IdentityProvider({
    entityID: provider.issuer,
    privateKey: key,
    signingCert: certificate,
    isAssertionEncrypted: false,
    singleSignOnService: [{ Binding: POST, Location: 'https://saml.bank.example/sso' }],
    loginResponseTemplate: { context: '<unused/>', attributes: [] },
  })
  const sp = samlify.ServiceProvider({
    entityID: provider.audience,
    wantAssertionsSigned: true,
    assertionConsumerService: [{ Binding: POST, Location: provider.recipient }],
  })
  return {
    provider,
    key,
    assertion,
    respond: async (facts = {}) => {
      const text = responseAround(assertion(facts), facts.recipient ?? provider.recipient)
      const { context } = await idp.createLoginResponse(sp, {}, 'post', {}, () => ({ id: 'response', context: text }))
      return context
    },
  }
}

/** Around an assertion, signed or not. */
export function responseAround(assertion: string, destination: string, attributes = ''): string {
  return `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_${randomUUID()}" Version="2.0" IssueInstant="${new Date().toISOString()}" Destination="${destination}"${attributes}><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>${assertion}</samlp:Response>`
}

export const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** How a forger signs: with which key, and by which algorithms. */
export interface Signing {
  readonly key: string
  readonly signature?: string
  readonly digest?: string
  readonly canonicalization?: string
}

const RSA_SHA256 = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256'
const SHA256 = 'http://www.w3.org/2001/04/xmlenc#sha256'
const EXCLUSIVE = 'http://www.w3.org/2001/10/xml-exc-c14n#'

/** Signs the element of an XPath where it stands, the signature behind its Issuer. */
export function signed(
  xml: string,
  { key, signature, digest, canonicalization }: Signing,
  xpath: string = ASSERTION,
): string {
  const signer = new SignedXml({
    privateKey: key,
    signatureAlgorithm: signature ?? RSA_SHA256,
    canonicalizationAlgorithm: canonicalization ?? EXCLUSIVE,
  })
  signer.addReference({
    xpath,
    digestAlgorithm: digest ?? SHA256,
    transforms: ['http://www.w3.org/2000/09/xmldsig#enveloped-signature', canonicalization ?? EXCLUSIVE],
  })
  signer.computeSignature(xml, {
    location: { reference: `${xpath}/*[local-name(.)='Issuer']`, action: 'after' },
  })
  return signer.getSignedXml()
}

export const ASSERTION = "//*[local-name(.)='Assertion']"

const attribute = (name: string, values: readonly string[]): string =>
  `<saml:Attribute Name="${name}" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic">${values.map((value) => `<saml:AttributeValue>${value}</saml:AttributeValue>`).join('')}</saml:Attribute>`

function assertionText(facts: AssertionFacts): string {
  const { id, issuer, nameId, audience, recipient, issued, notBefore, notOnOrAfter } = facts
  const { attributes, confirmationAttributes, conditions } = facts
  const until = notOnOrAfter.toISOString()
  const statements = Object.entries(attributes).map(([name, values]) => attribute(name, values))
  return (
    `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="${id}" Version="2.0" IssueInstant="${issued.toISOString()}">` +
    `<saml:Issuer>${issuer}</saml:Issuer>` +
    `<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">${nameId}</saml:NameID>` +
    `<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="${until}" Recipient="${recipient}"${confirmationAttributes}/></saml:SubjectConfirmation></saml:Subject>` +
    `<saml:Conditions NotBefore="${notBefore.toISOString()}" NotOnOrAfter="${until}"><saml:AudienceRestriction><saml:Audience>${audience}</saml:Audience></saml:AudienceRestriction>${conditions}</saml:Conditions>` +
    `<saml:AuthnStatement AuthnInstant="${issued.toISOString()}" SessionIndex="${id}"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>` +
    `<saml:AttributeStatement>${statements.join('')}</saml:AttributeStatement></saml:Assertion>`
  )
}
