import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { isDeepStrictEqual } from 'node:util'
import { sealRequest, type JsonObject } from '../../../engine/access-request.ts'
import { PolicyError } from '../../../engine/errors.ts'
import { isObject, openBundle, UNHURRIED, type ActivePolicy } from '../../../engine/policy/index.ts'
import { readEvaluation } from '../../../engine/policy/result.ts'
import { regocBinary } from '../../../tools/regoc.ts'
import { mutatedRequest } from '../../support/mutated-requests.ts'
import { randomRequest } from '../../support/random-requests.ts'
import { BINDING_KEY } from '../../support/rooms.ts'
import { seededRandom, type Random } from '../../support/seeded-random.ts'

export interface Difference {
  readonly input: string
  readonly module: unknown
  readonly interpreter: unknown
}

export interface Outcome {
  readonly plane: string
  readonly requests: number
  readonly verdicts: Readonly<Record<string, number>>
  /** Rules that fired for one at least. */
  readonly rules: number
  readonly differences: readonly Difference[]
}

const NOW = Date.parse('2026-11-23T09:00:00.000Z')

/**
 * Random requests to each plane of the starter pack, so many in all: what the compiled module answers, against OPA's
 * interpreter over the same sources.
 */
export async function differential(requests: number, seed: number): Promise<readonly Outcome[]> {
  const policy = await openBundle('policies/dist/starter.tar.gz', { kind: 'unsigned' }, UNHURRIED)
  const planes = policy.entrypoints.map((entrypoint) => entrypoint.split('/')[1] ?? '')
  const outcomes: Outcome[] = []
  for (const plane of planes) {
    const make = maker(policy, plane, seededRandom(seed))
    outcomes.push(await compared(policy, plane, make, Math.ceil(requests / planes.length)))
  }
  return outcomes
}

/** Statements are made up; every other protocol's requests, and half of these, out of the pack's own. */
function maker(policy: ActivePolicy, plane: string, random: Random): () => string {
  const vectors: unknown = policy.metadata.self_test
  const samples = (Array.isArray(vectors) ? vectors : [])
    .filter(isObject)
    .filter(({ entrypoint }) => entrypoint === `countersign/${plane}/verdict`)
    .flatMap(({ input }): JsonObject[] => (isObject(input) ? [input] : []))
  return () =>
    plane === 'postgres' && random() < 0.5
      ? sealRequest(randomRequest(random, policy.reference.revision, NOW), BINDING_KEY).json
      : JSON.stringify(mutatedRequest(random, samples))
}

async function compared(policy: ActivePolicy, plane: string, make: () => string, requests: number): Promise<Outcome> {
  const args = ['eval', '--pack', 'policies/starter.json', '--plane', plane, '--lines']
  const child = spawn(await regocBinary(), args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const asked = new Map<number, string>()
  const ask = async (): Promise<void> => {
    for (let at = 0; at < requests; at += 1) {
      const json = make()
      asked.set(at, json)
      if (!child.stdin.write(`${json}\n`)) await new Promise((resolve) => child.stdin.once('drain', resolve))
    }
    child.stdin.end()
  }
  const asking = ask()
  const verdicts: Record<string, number> = {}
  const rules = new Set<string>()
  const differences: Difference[] = []
  let at = 0
  for await (const line of createInterface({ input: child.stdout })) {
    const input = asked.get(at) ?? ''
    asked.delete(at)
    at += 1
    const [module, interpreter] = [
      answer(() => policy.evaluateAgain(plane, input, timeOf(input), null)),
      answer(() => readEvaluation(JSON.parse(line))),
    ]
    const kind = module?.verdict.kind ?? 'error'
    verdicts[kind] = (verdicts[kind] ?? 0) + 1
    for (const { rule } of module?.reasons ?? []) rules.add(rule)
    if (!isDeepStrictEqual(module, interpreter)) differences.push({ input, module, interpreter })
  }
  await asking
  return { plane, requests: at, verdicts, rules: rules.size, differences }
}

/** The interpreter takes a request's own time for its clock, and now where that is none. */
function timeOf(input: string): number {
  const time = Date.parse(Object(JSON.parse(input)).context?.time)
  return Number.isNaN(time) ? Date.now() : time
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
