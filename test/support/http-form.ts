import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { canariesIn } from './canaries.ts'
import { type HttpForm, SUITE_POLICY } from '../conformance/http/form.ts'
import { type HttpStack, type HttpStackOptions, startHttpStack } from './http-stack.ts'

export interface EmbeddedForm extends HttpForm {
  readonly stack: HttpStack
  /** Target and outcome of every request that has ended, in order. */
  outcomes(): readonly (readonly [target: string, status: string])[]
  /** Names of all records so far. */
  events(): readonly string[]
  /** Numbers of people that stand in any file of evidence. */
  canaries(): readonly string[]
}

/** The embedded form, as the conformance suite wants it. */
export async function startEmbeddedForm(options: HttpStackOptions = {}): Promise<EmbeddedForm> {
  const stack = await startHttpStack({ ...SUITE_POLICY, ...options })
  const { line, evidence, bank } = stack
  return {
    name: options.envoy === undefined ? 'embedded' : 'envoy',
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
    outcomes: () => outcomesIn(evidence),
    events: () => recordsIn(evidence).map(({ event }) => event),
    canaries: () => canariesUnder(evidence),
    stop: () => stack.stop(),
  }
}

/** The one in which a real Envoy takes the connections. */
export function startEnvoyForm(options: HttpStackOptions = {}): Promise<EmbeddedForm> {
  return startEmbeddedForm({ ...options, envoy: { responses: 'streamed' } })
}

/** Targets of the requests that records say were let through. */
export function forwardedTargets(evidence: string): readonly string[] {
  return recordsIn(evidence).flatMap(({ event, target }) => (isLetThrough(event) ? [target] : []))
}

function outcomesIn(evidence: string): readonly (readonly [string, string])[] {
  const records = recordsIn(evidence)
  const targets = new Map(
    records.flatMap(({ event, decision, target }) => (isLetThrough(event) ? [[decision, target]] : [])),
  )
  return records.flatMap(({ event, decision }) =>
    event.startsWith('outcome.') ? [[targets.get(decision) ?? '', event.slice('outcome.'.length)] as const] : [],
  )
}

function isLetThrough(event: string): boolean {
  return event === 'decision.forward' || event === 'decision.mask'
}

function canariesUnder(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap(({ parentPath, name }) => canariesIn(readFileSync(join(parentPath, name))))
    .filter((canary) => canary.startsWith('900-'))
}

interface ReadRecord {
  readonly event: string
  readonly decision: string
  readonly target: string
}

function recordsIn(evidence: string): readonly ReadRecord[] {
  const directory = join(evidence, 'records')
  const files = readdirSync(directory).filter((name) => name.endsWith('.ndjson'))
  return files.flatMap((name) =>
    readFileSync(join(directory, name), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((text) => {
        const { record, salted } = Object(JSON.parse(text))
        return {
          event: String(record?.event),
          decision: String(record?.decision),
          target: String(salted?.body?.block?.target),
        }
      }),
  )
}
