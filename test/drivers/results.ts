import type { Stack } from '../support/stack.ts'
import { came, type Came, directly, seen, type Seen } from './comparison.ts'
import type { Driver } from './driver.ts'
import { KNOWN } from './known.ts'
import { STEPS } from './steps.ts'

export type Policy = 'allow-all' | 'starter'

/** One step of one driver: how it came out at the gateway, and whether that is what is wanted. */
export interface Result {
  readonly driver: string
  readonly policy: Policy
  readonly step: string
  readonly came: Came
  readonly wanted: Came
  /** Of the list of what is known to come out otherwise. */
  readonly known: string | null
  readonly direct: Seen
  readonly through: Seen
}

/** All steps of a driver, first at the server, then at the gateway before it; none where the machine hasn't got it. */
export async function results(
  driver: Driver,
  policy: Policy,
  stack: Stack,
  gateway: Readonly<Record<string, string>> = stack.line.env,
): Promise<Result[]> {
  const command = driver.command()
  if (command === null) return []
  const direct = await seen(command, STEPS, directly(stack.line))
  const through = await seen(command, STEPS, gateway)
  return direct.map((one) => {
    const other = through.find(({ step }) => step === one.step) ?? { step: one.step, failed: 'it printed nothing' }
    const { step } = one
    const how = came(one, other)
    const listed = KNOWN.find((known) => known.driver === driver.name && known.policy === policy && known.step === step)
    const known = listed !== undefined && listed.came === how ? listed.why : null
    return {
      driver: driver.name,
      policy,
      step,
      came: how,
      wanted: wantedOf(step, policy),
      known,
      direct: one,
      through: other,
    }
  })
}

function wantedOf(name: string, policy: Policy): Came {
  const step = STEPS.find((each) => each.name === name)
  if (step === undefined) throw new Error(`a program prints a step that steps.ts hasn't got: ${name}`)
  return policy === 'allow-all' ? 'equal' : step.starter
}

export const surprising = (result: Result): boolean => result.came !== result.wanted && result.known === null
