import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type HttpForm, SUITE_POLICY } from '../conformance/http/form.ts'
import { type HttpStack, type HttpStackOptions, startHttpStack } from './http-stack.ts'

/** The embedded form, as the conformance suite wants it. */
export async function startEmbeddedForm(
  options: HttpStackOptions = {},
): Promise<HttpForm & { readonly stack: HttpStack }> {
  const stack = await startHttpStack({ ...SUITE_POLICY, ...options })
  const { line, evidence, bank } = stack
  return {
    name: 'embedded',
    url: line.gateway.url,
    token: line.principals.agent.token,
    seen: bank?.seen ?? [],
    stack,
    approve: async (approval) => {
      const headers = { authorization: `Bearer ${line.principals.approver.token}`, 'content-type': 'application/json' }
      const body = JSON.stringify({ reason: 'seen' })
      return (await fetch(`${line.api}/v1/approvals/${approval}/approve`, { method: 'POST', headers, body })).status
    },
    forwarded: () => forwardedTargets(evidence),
    stop: () => stack.stop(),
  }
}

/** Targets of the requests that records say were let through. */
export function forwardedTargets(evidence: string): readonly string[] {
  const directory = join(evidence, 'records')
  const files = readdirSync(directory).filter((name) => name.endsWith('.ndjson'))
  return files.flatMap((name) =>
    readFileSync(join(directory, name), 'utf8')
      .trimEnd()
      .split('\n')
      .flatMap((text): readonly string[] => {
        const line = Object(JSON.parse(text))
        const event: unknown = line.record?.event
        if (event !== 'decision.forward' && event !== 'decision.mask') return []
        return [String(line.salted?.body?.block?.target)]
      }),
  )
}
