import { asSeen, masked } from './http-steps.ts'

/** What schemathesis sent, and both answers: status, content type, decision, body in base64. */
interface Generated {
  readonly operation: string
  readonly mode: string
  readonly direct?: readonly [number, string, string, string]
  readonly through?: readonly [number, string, string, string]
  readonly unsent?: string
}

export interface GeneratedTally {
  readonly sent: number
  readonly equal: number
  /** Of requests that can be read in two ways: code → how many. */
  readonly refused: ReadonlyMap<string, number>
  readonly unsent: number
  readonly differences: readonly string[]
}

/** How many of the requests that schemathesis made were answered as directly, but for masks; refused, and why; or otherwise. */
export function tallyGenerated(printed: string, isEnvoy: boolean): GeneratedTally {
  const lines = printed
    .trimEnd()
    .split('\n')
    .map((line): Generated => Object(JSON.parse(line)))
  const refused = new Map<string, number>()
  const differences: string[] = []
  let [equal, unsent] = [0, 0]
  for (const line of lines) {
    const { direct, through } = line
    if (direct === undefined || through === undefined) unsent += 1
    else if (isSame(direct, through)) equal += 1
    else {
      const code = refusalIn(through) ?? (isEnvoy ? refusalOfEnvoy(through) : null)
      if (code === null) differences.push(`${line.operation} (${line.mode}): ${JSON.stringify(line).slice(0, 600)}`)
      else refused.set(code, (refused.get(code) ?? 0) + 1)
    }
  }
  return { sent: lines.length, equal, refused, unsent, differences }
}

type Told = NonNullable<Generated['direct']>

function isSame([status, type, , body]: Told, [otherStatus, otherType, decision, otherBody]: Told): boolean {
  if (status !== otherStatus || type !== otherType || decision === '') return false
  const [one, other] = [body, otherBody].map((text) => Buffer.from(text, 'base64').toString())
  return one === undefined || other === undefined
    ? false
    : one === other || masked(one) === other || seenAlike(one, other)
}

function seenAlike(one: string, other: string): boolean {
  return one.includes('"sha256"') && other.includes('"sha256"') && asSeen(one) === asSeen(other)
}

/** Refused by the gateway before anything went up, with a decision of that name in evidence. */
function refusalIn([status, type, decision, body]: Told): string | null {
  if (type !== 'application/problem+json' || decision === '' || status < 400 || status > 501) return null
  const { code }: Readonly<Record<string, unknown>> = Object(JSON.parse(Buffer.from(body, 'base64').toString()))
  return typeof code === 'string' && code.startsWith('ERR_NORMALIZE') ? code : null
}

/** Escaped slashes and backslashes Envoy refuses by itself, before anybody is asked; its answer is in our words. */
function refusalOfEnvoy([status, type, decision, body]: Told): string | null {
  if (status !== 400 || type !== 'application/problem+json' || decision !== '') return null
  const told = Buffer.from(body, 'base64').toString()
  return told.includes('refused before it was decided') ? "400 of Envoy's own" : null
}
