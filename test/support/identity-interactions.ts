import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Provider } from 'oidc-provider'

export const INTERACTION = '/interaction/'

/**
 * Where the provider sends people: a form that asks who they are and believes it, as the bank's own would after a second
 * factor; and consent, which is given.
 */
export function interactions(provider: Provider): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    interact(provider, request, response).catch((error: unknown) => {
      response.statusCode = 400
      response.end(String(error))
    })
  }
}

async function interact(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { prompt, params, session } = await provider.interactionDetails(request, response)
  if (prompt.name === 'login') {
    if (request.method !== 'POST') return signInForm(response)
    const accountId = new URLSearchParams(await bodyOf(request)).get('name') ?? ''
    return provider.interactionFinished(request, response, { login: { accountId } })
  }
  const { accountId } = session ?? {}
  const { client_id: clientId, resource } = params
  if (accountId === undefined || typeof clientId !== 'string') throw new Error('nobody to give consent')
  const grant = new provider.Grant({ accountId, clientId })
  grant.addOIDCScope('openid offline_access')
  if (typeof resource === 'string') grant.addResourceScope(resource, 'openid')
  return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } })
}

function signInForm(response: ServerResponse): void {
  response.setHeader('content-type', 'text/html; charset=utf-8')
  response.end(`<!doctype html><html lang="en"><meta charset="utf-8"><title>Bank sign-in</title>
<style>body { font: 16px/1.5 system-ui; margin: 20vh auto; max-width: 20rem }</style>
<h1>Sign in</h1>
<form method="post"><label>User name <input name="name" autocomplete="username" autofocus></label> <button>Continue</button></form></html>`)
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) if (chunk instanceof Buffer) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}
