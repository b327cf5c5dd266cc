import { once } from 'node:events'
import { createServer } from 'node:http'
import { inflateRawSync } from 'node:zlib'
import type { AssertionFacts, SamlIdentityProvider } from './saml-provider.ts'

/** What the gateway has asked for. */
export interface SamlAsked {
  readonly id: string
  readonly answerTo: string
}

export interface SamlPage extends AsyncDisposable {
  /** Where requests go. */
  readonly address: string
  /** Of requests, the last. */
  asked: SamlAsked | null
  /** Who is said to have signed in, and what else is otherwise; base64 of a whole answer in its place. */
  answer: Partial<AssertionFacts> | ((asked: SamlAsked) => Promise<string>)
  /** A response to a request, made and signed as the provider does. */
  respond(asked: SamlAsked, facts?: Partial<AssertionFacts>): Promise<string>
}

/** Where a SAML identity provider takes requests and has the browser post its answers: everybody is signed in there already. */
export async function openSamlPage(idp: SamlIdentityProvider): Promise<SamlPage> {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://127.0.0.1')
    answered(url.searchParams.get('SAMLRequest') ?? '').then(
      (html) => response.setHeader('content-type', 'text/html; charset=utf-8').end(html),
      (error: unknown) => response.writeHead(500).end(String(error)),
    )
  })
  const answered = async (request: string): Promise<string> => {
    const asked = readRequest(request, page.address, idp)
    page.asked = asked
    const response =
      typeof page.answer === 'function' ? await page.answer(asked) : await page.respond(asked, page.answer)
    return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Bank sign-in</title>
<form method="post" action="${asked.answerTo}"><input type="hidden" name="SAMLResponse" value="${response}"></form>
<script>document.forms[0].submit()</script></html>`
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0
  const page: SamlPage = {
    // Another site than the gateway's, as it is at a bank: a browser keeps same-site cookies from its form.
    address: `http://localhost:${port}/sso`,
    asked: null,
    answer: {},
    respond: ({ id, answerTo }, facts = {}) =>
      idp.respond({ recipient: answerTo, confirmationAttributes: ` InResponseTo="${id}"`, ...facts }),
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
  return page
}

function readRequest(request: string, address: string, { provider }: SamlIdentityProvider): SamlAsked {
  const xml = inflateRawSync(Buffer.from(request, 'base64')).toString('utf8')
  const attribute = (name: string): string => new RegExp(` ${name}="([^"]*)"`).exec(xml)?.[1] ?? ''
  if (attribute('Destination') !== address || !xml.includes(`<saml:Issuer>${provider.audience}</saml:Issuer>`))
    throw new Error(`a request that is not for here: ${xml}`)
  return { id: attribute('ID'), answerTo: attribute('AssertionConsumerServiceURL') }
}
