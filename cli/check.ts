import { mkdir, open, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadConfig } from '../engine/config/index.ts'
import type { GatewayConfig, LoadedConfig } from '../engine/config/index.ts'
import { createTokenVerifier } from '../engine/identity/index.ts'
import { checkIdentity } from './identity.ts'
import { openBundle } from '../engine/policy/index.ts'
import type { ActivePolicy } from '../engine/policy/index.ts'
import { openDatabase, type PostgresPlace } from '../engine/state/index.ts'
import type { CommandIo } from './command.ts'
import { controlPack } from './control-pack.ts'
import { evidenceStoreOf } from './evidence-store.ts'
import { EXIT, explain, isParseError, UsageError } from './exit.ts'
import { configurePlanes } from './planes.ts'
import type { ConfiguredPlane } from './planes.ts'
import { requireEntrypoints } from './policy-admission.ts'

const USAGE = `usage: countersign check --config FILE

Tries a configuration and all that it points to, a line each, and serves nothing. Run it as the gateway's own user on
the gateway's own host: what it can read and reach is what counts.

exit: 0 all is well, 1 something is not
`

/** `countersign check`. */
export async function checkCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const file = parse(argv)
  if (file === undefined) {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  const report = new Report(io)
  const loaded = await report.line('configuration', () => load(file))
  if (loaded === undefined) return EXIT.failed
  const { policy, identity, evidence, state } = loaded.config
  const planes = await report.line('planes', () => configured(loaded))
  const opened = await report.line('policy', () => bundle(policy, planes ?? []))
  if (opened !== undefined) await report.line('controls', () => controls(loaded, opened))
  for (const issuer of identity.issuers) {
    await report.line('identity', async () => {
      await createTokenVerifier([issuer], { now: Date.now }).ready()
      return { shown: `${issuer.issuer} answers and shows its keys` }
    })
  }
  if (identity.saml.length > 0 || identity.exchange !== null) {
    await report.line('identity', async () => ({ shown: await checkIdentity(loaded) }))
  }
  await report.line('evidence', () => evidenceStore(evidence))
  await report.line('state', () => ('file' in state ? writable(dirname(state.file)) : stateDatabase(state.postgres)))
  for (const plane of planes ?? []) await report.line(plane.id, async () => ({ shown: await plane.reach() }))
  return report.failures === 0 ? EXIT.ok : EXIT.failed
}

function parse(argv: readonly string[]): string | undefined {
  try {
    const options = { config: { type: 'string' }, help: { type: 'boolean', short: 'h', default: false } } as const
    const { values } = parseArgs({ args: [...argv], options })
    if (values.help) return undefined
    if (values.config !== undefined) return values.config
    throw new UsageError(`--config: expected a file; found nothing\n\n${USAGE}`)
  } catch (error) {
    throw isParseError(error) ? new UsageError(`${error.message}\n\n${USAGE}`) : error
  }
}

/** What a check that went well has to show, and what later checks need of it. */
type Checked<T> = { readonly shown: string; readonly value?: T }

class Report {
  failures = 0
  readonly #io: CommandIo

  constructor(io: CommandIo) {
    this.#io = io
  }

  async line<T>(name: string, check: () => Checked<T> | Promise<Checked<T>>): Promise<T | undefined> {
    try {
      const { shown, value } = await check()
      this.#io.stdout.write(`ok    ${name.padEnd(14)} ${shown}\n`)
      return value
    } catch (error) {
      this.failures += 1
      const indent = `\n${' '.repeat(21)}`
      this.#io.stdout.write(`FAIL  ${name.padEnd(14)} ${explain(error).replaceAll('\n', indent)}\n`)
      return undefined
    }
  }
}

function load(file: string): Checked<LoadedConfig> {
  const loaded = loadConfig(file)
  return { shown: loaded.file, value: loaded }
}

async function configured(loaded: LoadedConfig): Promise<Checked<readonly ConfiguredPlane[]>> {
  const planes = await configurePlanes(loaded)
  return { shown: planes.map(({ id }) => id).join(', '), value: planes }
}

async function bundle(
  { bundle, trust, limits }: GatewayConfig['policy'],
  planes: readonly ConfiguredPlane[],
): Promise<Checked<ActivePolicy>> {
  const value = await openBundle(bundle, trust, limits)
  requireEntrypoints(value, planes)
  const { reference } = value
  const by = trust.kind === 'signed' ? `signed by ${trust.keyId ?? 'the configured key'}` : 'UNSIGNED (verify: none)'
  return { shown: `revision ${reference.revision}, ${by}`, value }
}

async function controls(loaded: LoadedConfig, policy: ActivePolicy): Promise<Checked<never>> {
  const { version, controls: all } = await controlPack(loaded, policy)
  return { shown: `pack ${version}, ${all.size} controls; the policy's rules name none beside them` }
}

function evidenceStore(evidence: GatewayConfig['evidence']): Promise<Checked<never>> {
  return evidence.postgres === null ? writable(evidence.directory) : evidenceDatabase(evidence)
}

/** Makes the tables as the gateway would, and counts what is there. */
async function evidenceDatabase(evidence: GatewayConfig['evidence']): Promise<Checked<never>> {
  const store = evidenceStoreOf({ evidence })
  try {
    await store.prepare()
    const writers = await store.writers()
    return { shown: `${store.place} has its tables, and ${writers.length} writers in them` }
  } finally {
    await store.close()
  }
}

async function stateDatabase(place: PostgresPlace): Promise<Checked<never>> {
  const database = await openDatabase(place)
  await database.destroy()
  return { shown: `postgres://${place.host}:${place.port}/${place.database} has its tables` }
}

/** Makes the directory as the gateway would, and puts a file there for a moment. */
async function writable(directory: string): Promise<Checked<never>> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const probe = join(directory, `.check-${process.pid}`)
  const file = await open(probe, 'wx', 0o600)
  try {
    await file.write('countersign check')
    await file.datasync()
  } finally {
    await file.close()
    await rm(probe)
  }
  return { shown: `${directory} can be written` }
}
