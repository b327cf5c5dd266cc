import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifierText } from '../../engine/evidence/index.ts'
import type { PostgresAddress } from '../../engine/evidence/index.ts'
import { countersign, type ChildResult } from './child.ts'
import { startDatabases, type Databases } from './databases.ts'
import { GatewayProcess } from './gateway-process.ts'
import type { IdentityProvider } from './identity-provider.ts'
import { startKeeper, type Keeper } from './keeper.ts'
import type { PostgresServer } from './postgres.ts'
import { describeStack, startBoth, type Stack } from './stack.ts'
import { newLogKey, writeStackConfig, writeStackFiles, type StackConfigOptions } from './stack-config.ts'

/** Two gateways before one bank, with evidence and state in one database on a server of its own. */
export interface Pair extends AsyncDisposable {
  /** Each as a stack of its own; stopping one leaves all else alone. `evidence` is where `pull` puts it. */
  readonly gateways: readonly [Stack, Stack]
  /** The server that evidence and state are on. */
  readonly store: PostgresServer
  readonly address: PostgresAddress
  readonly evidence: string
  /** What an auditor brings along. */
  readonly logKey: string
  /** `countersign evidence pull`, into `evidence`. */
  pull(): Promise<ChildResult>
  sql(text: string): Promise<readonly Readonly<Record<string, unknown>>[]>
}

interface Shared {
  readonly policy: string
  readonly directory: string
  readonly keeper: Keeper
  readonly bank: PostgresServer
  readonly identity: IdentityProvider
  readonly address: PostgresAddress
  readonly signer: ReturnType<typeof newLogKey>
}

export async function startPair({ policy = 'starter' }: { readonly policy?: string } = {}): Promise<Pair> {
  await using opened = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'countersign-pair-'))
  const keeper = startKeeper(directory)
  opened.defer(() => keeper.dismiss())
  opened.defer(() => rm(directory, { recursive: true, force: true }))
  const databases = await startDatabases()
  opened.defer(() => databases[Symbol.asyncDispose]())
  const [bank, identity] = await startBoth({ bank: true }, opened)
  const address = await databases.create()
  const shared: Shared = { policy, directory, keeper, bank, identity, address, signer: newLogKey() }
  const a = await startOne('gw-a', shared, opened)
  const b = await startOne('gw-b', shared, opened)
  const rest = opened.move()
  return describePair([a, b], shared, databases, () => rest.disposeAsync())
}

function describePair(
  gateways: readonly [Stack, Stack],
  { address, signer, directory }: Shared,
  databases: Databases,
  stop: () => Promise<void>,
): Pair {
  const evidence = join(directory, 'evidence')
  return {
    gateways,
    store: databases.server,
    address,
    evidence,
    logKey: verifierText(signer.verifier),
    pull: () => countersign(['evidence', 'pull', '--config', gateways[0].line.config, '-o', evidence]),
    sql: (text) => databases.sql(address, text),
    [Symbol.asyncDispose]: stop,
  }
}

async function startOne(instance: string, shared: Shared, opened: AsyncDisposableStack): Promise<Stack> {
  const { keeper, bank: postgres, identity, address, signer } = shared
  const directory = join(shared.directory, instance)
  await mkdir(directory)
  const written: StackConfigOptions = {
    directory,
    identity,
    postgres,
    policy: shared.policy,
    tls: false,
    port: 0,
    apiPort: 0,
    logLevel: 'info',
    instance,
    store: address,
    signer,
  }
  const files = await writeStackFiles(written)
  const gateway = await GatewayProcess.start({ config: files.config, onSpawn: (pid) => keeper.watch(pid) })
  opened.defer(async () => void (await gateway.stop().catch(() => undefined))) // It may have been killed by the test.
  const { planes, api } = gateway.listening
  const port = planes['postgres']?.port ?? 0
  await writeStackConfig({ ...written, port, apiPort: Number(new URL(api).port) })
  const line = await describeStack({ port, api, postgres, identity, files })
  const evidence = join(shared.directory, 'evidence')
  return { line, postgres, identity, gateway, evidence, stop: async () => void (await gateway.stop()) }
}
