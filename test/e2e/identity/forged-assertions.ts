import { selfSigned } from '../../support/certificates.ts'
import {
  base64,
  responseAround,
  signed,
  type AssertionFacts,
  type SamlIdentityProvider,
} from '../../support/saml-provider.ts'

export interface ForgedAssertion {
  readonly name: string
  readonly code: string
  readonly make: (idp: SamlIdentityProvider) => string | Promise<string>
}

const FORM = 'ERR_IDENTITY_ASSERTION'
const SIGNATURE = 'ERR_IDENTITY_SIGNATURE'
const stranger = selfSigned('evil.example')
const ago = (seconds: number): Date => new Date(Date.now() - seconds * 1000)
const SHA1 = {
  signature: 'http://www.w3.org/2000/09/xmldsig#rsa-sha1',
  digest: 'http://www.w3.org/2000/09/xmldsig#sha1',
}
const WITH_COMMENTS = 'http://www.w3.org/2001/10/xml-exc-c14n#WithComments'

const around = ({ provider }: SamlIdentityProvider, assertion: string, attributes = ''): string =>
  responseAround(assertion, provider.recipient, attributes)

/** An assertion that the provider has signed, in its response, as text. */
function good(idp: SamlIdentityProvider, facts: Partial<AssertionFacts> = {}): string {
  return signed(around(idp, idp.assertion(facts)), { key: idp.key })
}

/** Signed by the provider, but otherwise than it would. */
const other = (idp: SamlIdentityProvider, facts: Partial<AssertionFacts>): string => base64(good(idp, facts))

/** A response in pieces: what stands before the signed assertion, the assertion without its signature, the signature. */
function pieces(idp: SamlIdentityProvider) {
  const response = good(idp)
  const [assertion = ''] = /<saml:Assertion.*<\/saml:Assertion>/s.exec(response) ?? []
  const [signature = ''] = /<Signature.*<\/Signature>/s.exec(assertion) ?? []
  const evil = idp.assertion({ nameId: 'olga', id: '_evil', attributes: { groups: ['operators'] } })
  return { response, assertion, signature, evil, bare: assertion.replace(signature, '') }
}

/** Puts text behind the Issuer of an assertion, where a signature would stand. */
const behindIssuer = (assertion: string, text: string): string =>
  assertion.replace('</saml:Issuer>', `</saml:Issuer>${text}`)

const inside = (signature: string, text: string): string => signature.replace('</Signature>', `${text}</Signature>`)

/** Signature wrapping as Somorovsky and others number it (USENIX Security 2012): which copy is verified, and which is believed. */
const WRAPPINGS: readonly ForgedAssertion[] = [
  {
    name: 'XSW1: the signed response within the signature of a forged one',
    code: FORM,
    make: (idp) => {
      const { evil } = pieces(idp)
      const inner = signed(around(idp, idp.assertion()), { key: idp.key })
      const outer = around(
        idp,
        behindIssuer(
          evil,
          `<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><Object>${inner}</Object></Signature>`,
        ),
      )
      return base64(outer)
    },
  },
  {
    name: 'XSW2: the signed response detached, before the signature of a forged one',
    code: FORM,
    make: (idp) => {
      const { evil, response, signature } = pieces(idp)
      return base64(around(idp, `${response}${signature}${evil}`))
    },
  },
  {
    name: 'XSW3: a forged assertion before the signed one',
    code: FORM,
    make: (idp) => {
      const { evil, assertion } = pieces(idp)
      return base64(around(idp, evil + assertion))
    },
  },
  {
    name: 'XSW4: the signed assertion within a forged one',
    code: FORM,
    make: (idp) => {
      const { evil, assertion } = pieces(idp)
      return base64(around(idp, evil.replace('</saml:Assertion>', `${assertion}</saml:Assertion>`)))
    },
  },
  {
    name: 'XSW5: the signature in a forged assertion, the signed one behind it',
    code: FORM,
    make: (idp) => {
      const { evil, signature, bare } = pieces(idp)
      return base64(around(idp, behindIssuer(evil, signature) + bare))
    },
  },
  {
    name: 'XSW6: the signed assertion within the signature of a forged one',
    code: FORM,
    make: (idp) => {
      const { evil, signature, bare } = pieces(idp)
      return base64(around(idp, behindIssuer(evil, inside(signature, bare))))
    },
  },
  {
    name: 'XSW7: a forged assertion among the extensions',
    code: FORM,
    make: (idp) => {
      const { evil, assertion } = pieces(idp)
      return base64(around(idp, `<samlp:Extensions>${evil}</samlp:Extensions>${assertion}`))
    },
  },
  {
    name: 'XSW8: the signed assertion in an object of the signature of a forged one',
    code: FORM,
    make: (idp) => {
      const { evil, signature, bare } = pieces(idp)
      return base64(around(idp, behindIssuer(evil, inside(signature, `<Object>${bare}</Object>`))))
    },
  },
  {
    name: "a forged assertion under the signed one's ID",
    code: FORM,
    make: (idp) => {
      const { evil, assertion } = pieces(idp)
      const id = /ID="([^"]*)"/.exec(assertion)?.[1] ?? ''
      return base64(around(idp, assertion + evil.replace('_evil', id)))
    },
  },
]

/** Each is refused, and recorded. */
export const FORGED_ASSERTIONS: readonly ForgedAssertion[] = [
  ...WRAPPINGS,
  { name: 'unsigned', code: FORM, make: (idp) => base64(around(idp, idp.assertion())) },
  { name: 'unsigned, alone', code: FORM, make: (idp) => base64(idp.assertion()) },
  {
    name: 'signed in the response alone',
    code: FORM,
    make: (idp) =>
      base64(
        signed(
          around(idp, `<saml:Issuer>${idp.provider.issuer}</saml:Issuer>${idp.assertion()}`),
          { key: idp.key },
          '/*',
        ),
      ),
  },
  {
    name: "signed by a stranger's key",
    code: SIGNATURE,
    make: (idp) => base64(signed(around(idp, idp.assertion()), { key: stranger.key })),
  },
  {
    name: "signed by a stranger's key, with its certificate along",
    code: SIGNATURE,
    make: (idp) => {
      const certificate = stranger.certificate.replaceAll(/-----[A-Z ]+-----|\n/g, '')
      const key = `<KeyInfo><X509Data><X509Certificate>${certificate}</X509Certificate></X509Data></KeyInfo>`
      return base64(inside(signed(around(idp, idp.assertion()), { key: stranger.key }), key))
    },
  },
  {
    name: 'another name under the old signature',
    code: SIGNATURE,
    make: (idp) => base64(good(idp).replace('>ann<', '>olga<')),
  },
  {
    name: 'another group under the old signature',
    code: SIGNATURE,
    make: (idp) => base64(good(idp).replace('>payments<', '>operators<')),
  },
  {
    name: 'a comment in the name: ann<!---->.evil',
    code: FORM,
    make: (idp) => base64(good(idp, { nameId: 'ann.evil' }).replace('>ann.evil<', '>ann<!---->.evil<')),
  },
  {
    name: 'CDATA in the name',
    code: FORM,
    make: (idp) => base64(good(idp).replace('>ann<', '><![CDATA[ann]]><')),
  },
  {
    name: 'an element in the name, validly signed',
    code: FORM,
    make: (idp) => other(idp, { nameId: 'ann<b xmlns="x"/>.evil' }),
  },
  {
    name: 'a processing instruction',
    code: FORM,
    make: (idp) => base64(good(idp).replace('<saml:Subject>', '<?evil x?><saml:Subject>')),
  },
  {
    name: 'an external entity (XXE)',
    code: FORM,
    make: (idp) =>
      base64(`<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>${good(idp).replace('>ann<', '>&x;<')}`),
  },
  {
    name: 'entities that multiply',
    code: FORM,
    make: (idp) => base64(`<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>${good(idp)}`),
  },
  {
    name: 'a document type behind the XML declaration',
    code: FORM,
    make: (idp) => base64(`<?xml version="1.0"?><!DOCTYPE r SYSTEM "https://evil.example/r.dtd">${good(idp)}`),
  },
  {
    name: 'signed with SHA-1',
    code: FORM,
    make: (idp) => base64(signed(around(idp, idp.assertion()), { key: idp.key, ...SHA1 })),
  },
  {
    name: 'canonicalized with its comments',
    code: FORM,
    make: (idp) => base64(signed(around(idp, idp.assertion()), { key: idp.key, canonicalization: WITH_COMMENTS })),
  },
  {
    name: 'encrypted to nobody',
    code: FORM,
    make: (idp) =>
      base64(
        around(
          idp,
          '<saml:EncryptedAssertion><x:EncryptedData xmlns:x="http://www.w3.org/2001/04/xmlenc#"/></saml:EncryptedAssertion>',
        ),
      ),
  },
  {
    name: 'two assertions, both signed',
    code: FORM,
    make: (idp) => base64(around(idp, pieces(idp).assertion + pieces(idp).assertion)),
  },
  { name: 'no assertion', code: FORM, make: (idp) => base64(around(idp, '')) },
  {
    name: 'a failure with an assertion',
    code: FORM,
    make: (idp) => base64(good(idp).replace('status:Success', 'status:Responder')),
  },
  {
    name: 'an answer to a request that the gateway never made',
    code: FORM,
    make: (idp) => base64(signed(around(idp, idp.assertion(), ' InResponseTo="_theirs"'), { key: idp.key })),
  },
  {
    name: 'a confirmation that answers a request',
    code: FORM,
    make: (idp) => other(idp, { confirmationAttributes: ' InResponseTo="_theirs"' }),
  },
  {
    name: 'a confirmation that begins',
    code: FORM,
    make: (idp) => other(idp, { confirmationAttributes: ` NotBefore="${ago(10).toISOString()}"` }),
  },
  {
    name: 'a confirmation by a key',
    code: 'ERR_IDENTITY_BINDING',
    make: (idp) =>
      base64(signed(around(idp, idp.assertion().replace('cm:bearer', 'cm:holder-of-key')), { key: idp.key })),
  },
  {
    name: 'for another audience',
    code: 'ERR_IDENTITY_AUDIENCE',
    make: (idp) => other(idp, { audience: 'https://payroll.bank.example' }),
  },
  {
    name: 'for another audience as well: both restrictions must hold',
    code: 'ERR_IDENTITY_AUDIENCE',
    make: (idp) =>
      other(idp, {
        conditions:
          '<saml:AudienceRestriction><saml:Audience>https://x.example</saml:Audience></saml:AudienceRestriction>',
      }),
  },
  {
    name: 'for another recipient',
    code: 'ERR_IDENTITY_RECIPIENT',
    make: (idp) => other(idp, { recipient: 'https://payroll.bank.example/acs' }),
  },
  {
    name: 'in a response to another destination',
    code: 'ERR_IDENTITY_RECIPIENT',
    make: (idp) =>
      base64(signed(responseAround(idp.assertion(), 'https://payroll.bank.example/acs'), { key: idp.key })),
  },
  {
    name: 'of another issuer',
    code: 'ERR_IDENTITY_ISSUER',
    make: (idp) => other(idp, { issuer: 'https://evil.example/metadata' }),
  },
  { name: 'that is over', code: 'ERR_IDENTITY_EXPIRED', make: (idp) => other(idp, { notOnOrAfter: ago(90) }) },
  {
    name: 'that is too old, however long it says it is good',
    code: 'ERR_IDENTITY_EXPIRED',
    make: (idp) => other(idp, { issued: ago(3_600) }),
  },
  {
    name: 'that begins tomorrow',
    code: 'ERR_IDENTITY_NOT_YET_VALID',
    make: (idp) => other(idp, { notBefore: ago(-86_400), notOnOrAfter: ago(-90_000) }),
  },
  {
    name: 'that was issued tomorrow',
    code: 'ERR_IDENTITY_NOT_YET_VALID',
    make: (idp) => other(idp, { issued: ago(-86_400), notOnOrAfter: ago(-90_000) }),
  },
  {
    name: 'under a condition that nobody knows',
    code: FORM,
    make: (idp) => other(idp, { conditions: '<x:Only xmlns:x="urn:x">weekdays</x:Only>' }),
  },
  {
    name: 'of a person and a machine',
    code: 'ERR_IDENTITY_CLAIM',
    make: (idp) => other(idp, { attributes: { kind: ['person', 'workload'] } }),
  },
  {
    name: 'of a kind that there is not',
    code: 'ERR_IDENTITY_CLAIM',
    make: (idp) => other(idp, { attributes: { kind: ['root'] } }),
  },
  { name: 'of nobody', code: 'ERR_IDENTITY_CLAIM', make: (idp) => other(idp, { nameId: '' }) },
  {
    name: 'an attribute that is there twice',
    code: FORM,
    make: (idp) =>
      base64(
        signed(
          around(
            idp,
            idp
              .assertion()
              .replace(
                '</saml:AttributeStatement>',
                '<saml:Attribute Name="groups"><saml:AttributeValue>operators</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>',
              ),
          ),
          { key: idp.key },
        ),
      ),
  },
  {
    name: 'of version 1.1',
    code: FORM,
    make: (idp) =>
      base64(signed(around(idp, idp.assertion().replace('Version="2.0"', 'Version="1.1"')), { key: idp.key })),
  },
  {
    name: 'that nobody authenticated for',
    code: FORM,
    make: (idp) =>
      base64(
        signed(around(idp, idp.assertion().replace(/<saml:AuthnStatement.*<\/saml:AuthnStatement>/, '')), {
          key: idp.key,
        }),
      ),
  },
  { name: 'half of one', code: FORM, make: (idp) => base64(good(idp).slice(0, 700)) },
  { name: 'not base64', code: FORM, make: (idp) => good(idp) },
  { name: 'a JSON Web Token', code: FORM, make: () => 'eyJhbGciOiJub25lIn0.e30.' },
  { name: 'nothing', code: FORM, make: () => '' },
]
