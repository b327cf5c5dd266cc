/**
 * `npm run demo`: a bank, an agent with an ordinary PostgreSQL driver, and what Countersign does between them. Everything
 * is real, and every line with a mark before it was checked as it was printed; one that isn't so fails the demo.
 *
 *   npm run demo [-- --keep]     --keep: stay up afterwards, for a look around with psql
 */
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  connectAgent,
  evidenceOf,
  forwardedRead,
  heldTransfer,
  maskedRead,
  rejectedDelete,
  verifiedEvidence,
} from './demo-scenes.ts'
import { startStack } from './stack.ts'
import type { Stack } from './stack.ts'
import { Transcript } from './transcript.ts'

const EXIT_INTERRUPTED = 130

async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...argv], options: { keep: { type: 'boolean', default: false } } })
  const interrupted = Promise.withResolvers<void>()
  let playing = true
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (playing) process.exit(EXIT_INTERRUPTED) // what runs already has a keeper, who sees us go
      interrupted.resolve()
    })
  }
  const tell = new Transcript(process.stdout)
  const started = performance.now()
  tell.title('Countersign: an autonomous agent at a bank’s database')
  const stack = await tell.step(
    'Starting PostgreSQL with the bank in it, an identity provider and the gateway …',
    startStack(),
  )
  try {
    await play(stack, tell)
    conclude(tell, started)
    playing = false
    if (values.keep) await lookAround(stack, tell, interrupted.promise)
  } finally {
    await stack.stop()
  }
  return tell.failures === 0 ? 0 : 1
}

async function play(stack: Stack, tell: Transcript): Promise<void> {
  const { gateway, upstream } = stack.line
  tell.note(
    `The agent thinks it talks to PostgreSQL at ${gateway.host}:${gateway.port}; the real one is at port ${upstream.port}.`,
  )
  tell.note('It uses the `pg` driver as published, and its token from the identity provider as the password.')
  const agent = await connectAgent(stack)
  try {
    const scenery = { stack, tell, agent }
    await forwardedRead(scenery)
    await maskedRead(scenery)
    await rejectedDelete(scenery)
    const decision = await heldTransfer(scenery)
    await agent.end()
    await evidenceOf(scenery, decision)
    await verifiedEvidence(scenery)
  } finally {
    await agent.end()
  }
}

function conclude(tell: Transcript, started: number): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  tell.note('')
  if (tell.failures === 0) tell.note(`All of it held, in ${seconds} s.`)
  else tell.note(`${tell.failures} claims did not hold, in ${seconds} s.`)
}

/** Who can be played from a shell or, by the same name, on the page; docs/first-hour.md plays them all. */
const PEOPLE: readonly (readonly [name: string, what: string])[] = [
  ['ann', 'approves payments, as ben does'],
  ['olga', 'proposes policies'],
  ['rita', 'reviews policies'],
  ['axel', 'audits'],
]

/** Files with what a shell needs, since a token is longer than a line. */
async function lookAround(stack: Stack, tell: Transcript, ended: Promise<void>): Promise<void> {
  const { env, api, console: page, dataDir, config } = stack.line
  await stack.gateway.restart()
  const directory = dirname(config)
  const write = (name: string, variables: Readonly<Record<string, string>>): Promise<void> =>
    writeFile(join(directory, `${name}.env`), exports(variables), { mode: 0o600 })
  await write('agent', env)
  for (const [name] of PEOPLE)
    await write(name, { COUNTERSIGN_API: api, COUNTERSIGN_TOKEN: await stack.identity.personToken(name) })
  tell.scene('Look around; Ctrl-C ends it')
  tell.note(`the agent      . ${join(directory, 'agent.env')} && psql`)
  tell.note(`the page       ${page}   (sign in by a name: ${PEOPLE.map(([name]) => name).join(', ')})`)
  for (const [name, what] of PEOPLE) tell.note(`${name.padEnd(14)} . ${join(directory, `${name}.env`)}   ${what}`)
  tell.note(`evidence       ${dataDir}/evidence`)
  tell.note(`configuration  ${config}`)
  tell.note(`bundles' key   ${join(directory, 'bundle.key')}`)
  tell.note('')
  tell.note('A first rule of your own, seen to hold a statement: docs/first-hour.md')
  const alive = setInterval(() => undefined, 60_000)
  await Promise.race([ended, stack.gateway.exited])
  clearInterval(alive)
}

function exports(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => `export ${name}='${value}'\n`)
    .join('')
}

process.exit(await main(process.argv.slice(2)))
