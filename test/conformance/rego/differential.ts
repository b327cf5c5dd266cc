import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { isDeepStrictEqual } from 'node:util'
import { sealRequest } from '../../../engine/access-request.ts'
import { PolicyError } from '../../../engine/errors.ts'
import { openBundle, UNHURRIED } from '../../../engine/policy/index.ts'
import { readEvaluation } from '../../../engine/policy/result.ts'
import { regocBinary } from '../../../tools/regoc.ts'
import { BINDING_KEY } from '../../support/rooms.ts'
import { randomRequest } from '../../support/random-requests.ts'
import { seededRandom } from '../../support/seeded-random.ts'

export interface Difference {
  readonly input: string
  readonly module: unknown
  readonly interpreter: unknown
}

export interface Outcome {
  readonly requests: number
  readonly verdicts: Readonly<Record<string, number>>
  readonly differences: readonly Difference[]
}

const NOW = Date.parse('2026-11-23T09:00:00.000Z')

/** Random requests to the starter pack: what the compiled module answers, against OPA's interpreter over the same sources. */
export async function differential(requests: number, seed: number): Promise<Outcome> {
  const policy = await openBundle('policies/dist/starter.tar.gz', { kind: 'unsigned' }, UNHURRIED)
  const random = seededRandom(seed)
  const child = spawn(
    await regocBinary(),
    ['eval', '--pack', 'policies/starter.json', '--plane', 'postgres', '--lines'],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  const asked = new Map<number, string>()
  const ask = async (): Promise<void> => {
    for (let at = 0; at < requests; at += 1) {
      const { json } = sealRequest(randomRequest(random, policy.reference.revision, NOW), BINDING_KEY)
      asked.set(at, json)
      if (!child.stdin.write(`${json}\n`)) await new Promise((resolve) => child.stdin.once('drain', resolve))
    }
    child.stdin.end()
  }
  const asking = ask()
  const verdicts: Record<string, number> = {}
  const differences: Difference[] = []
  let at = 0
  for await (const line of createInterface({ input: child.stdout })) {
    const input = asked.get(at) ?? ''
    asked.delete(at)
    at += 1
    const [module, interpreter] = [
      answer(() => policy.evaluateAgain('postgres', input, NOW, null)),
      answer(() => readEvaluation(JSON.parse(line))),
    ]
    const kind = module?.verdict.kind ?? 'error'
    verdicts[kind] = (verdicts[kind] ?? 0) + 1
    if (!isDeepStrictEqual(module, interpreter)) differences.push({ input, module, interpreter })
  }
  await asking
  return { requests: at, verdicts, differences }
}

/** Undefined for an answer that is no verdict: both have to fail, not to fail alike. */
function answer(ask: () => ReturnType<typeof readEvaluation>): ReturnType<typeof readEvaluation> | undefined {
  try {
    const { verdict, reasons } = ask()
    return { verdict, reasons }
  } catch (error) {
    if (error instanceof PolicyError) return undefined
    throw error
  }
}
