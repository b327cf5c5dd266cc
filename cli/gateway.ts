import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { openApi } from '../console/index.ts'
import type { ApiOptions, RunningApi } from '../console/index.ts'
import { openLedger, Outbox, rebuild } from '../engine/approvals/index.ts'
import { atLine } from '../engine/config/index.ts'
import type { LoadedConfig } from '../engine/config/index.ts'
import { ControlResolver } from '../engine/controls/index.ts'
import { openEvidence } from '../engine/evidence/index.ts'
import type { EvidenceLog, EvidenceOptions, EvidenceStore } from '../engine/evidence/index.ts'
import { rebuildAssertions, rebuildRevocations } from '../engine/identity/index.ts'
import {
  approvalJournal,
  ConfigError,
  EvidenceError,
  Grants,
  hostFor,
  identify,
  recordingVerifier,
  StateError,
} from '../engine/index.ts'
import type { GatewayRooms, RunningPlane } from '../engine/index.ts'
import { LifecycleStore, PolicyLife, rebuildPolicies } from '../engine/lifecycle/index.ts'
import { PolicyStore } from '../engine/policy/index.ts'
import { Shadow } from '../engine/shadow/index.ts'
import { bindingKey, openDatabase } from '../engine/state/index.ts'
import type { Database } from '../engine/state/index.ts'
import { approvalHistory, stateTold } from './approval-history.ts'
import { ClosedPeers } from './closed-peers.ts'
import { controlPack } from './control-pack.ts'
import { evidenceStoreOf } from './evidence-store.ts'
import { openIdentity, ownIssuer, tokenExchange, tokenVerifier } from './identity.ts'
import type { Log } from './log.ts'
import { evidencePlace, openOverview } from './overview.ts'
import { announcer, startWebhooks } from './webhooks.ts'
import { configurePlanes } from './planes.ts'
import type { ConfiguredPlane } from './planes.ts'
import { configuredBundle, policyAdmission, type Admit } from './policy-admission.ts'
import { uuidv7 } from './uuid.ts'
import { version } from './version.ts'

/** An answer given at one gateway reaches a client that waits at another within this; a policy comes into force there. */
const FOLLOW_MS = 250

export interface Gateway {
  /** Where each plane listens, and the API. */
  readonly planes: Readonly<Record<string, RunningPlane['address']>>
  readonly api: string
  /** Looks at the configured bundle again, and puts it in force where it has changed. Throws where it can't be. */
  reloadPolicy(): Promise<void>
  /** Takes no new connection; resolves when the open ones have ended or the deadline (ms from now) has passed. */
  drain(deadlineMs: number): Promise<void>
  /** Ends everything, evidence last. */
  close(): Promise<void>
}

export interface GatewaySurroundings {
  readonly log: Log
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Evidence can't be written any more: nothing is let through from here on, and the process must end. */
  readonly onFatal: (error: EvidenceError) => void
}

/**
 * Opens every room in the order of trust: what is checked without effect first (planes' settings, the bundle), then
 * evidence, then state brought up to evidence, then the policy put in force, and the doors last. What was opened when a
 * later room fails is closed again.
 */
export async function openGateway(loaded: LoadedConfig, around: GatewaySurroundings): Promise<Gateway> {
  const { config } = loaded
  const planes = await configurePlanes(loaded)
  const admit = policyAdmission(loaded, planes)
  const file = await configuredBundle(loaded, admit)
  const pack = await controlPack(loaded, file.policy)
  const resolver = new ControlResolver(pack)
  const own = await ownIssuer(loaded)
  const verifier = tokenVerifier(loaded, own, around)
  await using opened = new AsyncDisposableStack()
  const store = evidenceStoreOf(config)
  opened.defer(() => store.close())
  const telling = { ...announcer(loaded, around.now), now: around.now }
  const closedPeers = new ClosedPeers(store, around.log, telling)
  const evidence = await openEvidenceRoom(loaded, store, resolver, around, closedPeers)
  opened.defer(() => evidence.close())
  const database = await openState(loaded)
  opened.defer(() => database.destroy())
  const { instance } = config
  const shared = config.evidence.postgres !== null
  const isOver = (writer: string): boolean => !shared || writer.startsWith(`${instance}.`)
  const told = stateTold()
  const history = approvalHistory(store, shared ? null : instance, told)
  const outbox = new Outbox(database)
  const replayed = await rebuild(database, history, isOver, telling)
  if (replayed > 0) around.log.warn('approvals.rebuilt', { changes: replayed })
  const relived = await rebuildPolicies(database, told.policies, isOver)
  if (relived > 0) around.log.warn('policies.rebuilt', { changes: relived })
  const revocationsRebuilt = await rebuildRevocations(database, told.revocations)
  if (revocationsRebuilt > 0) around.log.warn('revocations.rebuilt', { changes: revocationsRebuilt })
  const spent = await rebuildAssertions(database, told.assertions, around.now())
  if (spent > 0) around.log.warn('assertions.rebuilt', { changes: spent })
  closedPeers.settleIn(shared ? database : null)
  const newId = (): string => uuidv7(around.now())
  const journal = approvalJournal(evidence)
  const policy = new PolicyStore()
  const ledger = await openLedger(database, {
    now: around.now,
    newId,
    writer: evidence.writerId,
    journal,
    ...(telling.announce === undefined ? {} : { announce: telling.announce }),
    policyInForce: () => policy.current().reference.digest,
    ...(shared ? { followMs: FOLLOW_MS } : {}),
  })
  opened.defer(() => ledger.close())
  const followMs = shared ? FOLLOW_MS : null
  const identity = await openIdentity(loaded, { database, evidence, newId, followMs }, around)
  opened.defer(() => identity.revocations.close())
  const life = policyLife(loaded, { database, evidence, policy, admit }, around)
  opened.defer(() => life.close())
  await life.start(file)
  const { trust, limits } = config.policy
  const policies = new LifecycleStore(database)
  const shadow = new Shadow({ store: policies, life, instance, trust, limits, log: around.log.warn })
  opened.defer(() => shadow.close())
  shadow.start()
  await recordRelease(loaded, evidence)
  const rooms: GatewayRooms = {
    policy,
    verifier,
    ...identity,
    endings: config.identity.endings,
    ledger,
    evidence,
    shadow,
    maskingKey: config.maskingKey,
    bindingKey: await bindingKey(database),
    now: around.now,
    monotonic,
    newId,
    log: around.log.info,
  }
  const running = await openPlanes(planes, rooms, opened)
  const exchange = own === null ? null : tokenExchange(loaded, own, rooms)
  const overview = await openOverview(config, evidence.writerId, around.log)
  opened.defer(() => overview.close())
  const addresses = Object.fromEntries([...running].map(([id, plane]) => [id, plane.address]))
  const { revocations } = identity
  const parts = { outbox, policies: life, shadow, exchange, revocations, pack, overview, planes: addresses }
  const api = await openConsole(loaded, rooms, parts, around)
  opened.defer(() => api.close())
  opened.defer(startWebhooks(loaded, outbox, api.url, around))
  const rest = opened.move()
  return {
    planes: addresses,
    api: api.url,
    reloadPolicy: async () => life.fileChanged(await configuredBundle(loaded, admit)),
    drain: async (deadlineMs) => {
      await Promise.all([...running.values()].map((plane) => plane.drain(deadlineMs)))
    },
    close: () => rest.disposeAsync(),
  }
}

function policyLife(
  { config }: LoadedConfig,
  rooms: Pick<GatewayRooms, 'evidence' | 'policy'> & { readonly database: Database; readonly admit: Admit },
  { now, log }: GatewaySurroundings,
): PolicyLife {
  const { evidence, policy, database, admit } = rooms
  return new PolicyLife({
    store: new LifecycleStore(database),
    rules: config.policy.rules,
    instance: config.instance,
    writer: evidence.writerId,
    policy,
    now,
    admit,
    record: (draft) => evidence.append(draft).durable,
    ...(config.evidence.postgres === null ? {} : { followMs: FOLLOW_MS }),
    log: log.warn,
  })
}

// Which program served, under which configuration, from here on.
async function recordRelease({ config, digest }: LoadedConfig, evidence: EvidenceLog): Promise<void> {
  const detail = { version: await version(), node: process.version, config: digest, planes: Object.keys(config.planes) }
  await evidence.append({ event: 'gateway.released', detail }).durable
}

function monotonic(): bigint {
  return process.hrtime.bigint()
}

async function openEvidenceRoom(
  { config }: LoadedConfig,
  store: EvidenceStore,
  resolver: ControlResolver,
  around: GatewaySurroundings,
  closedPeers: ClosedPeers,
): Promise<EvidenceLog> {
  const evidence = await openEvidence(store, {
    onPeerClosed: (closed) => void closedPeers.add(closed),
    instance: config.instance,
    now: around.now,
    monotonic,
    onFailure: around.onFatal,
    cite: (event, named) => resolver.cite(event, named),
    ...signing(config.evidence),
    witnesses: config.evidence.witnesses,
    onWitnessTrouble: (witness, trouble) => {
      if (trouble === null) around.log.info('witness.back', { witness })
      else around.log.warn('witness.unreachable', { witness, trouble })
    },
  })
  if (config.evidence.signer === null) around.log.warn('evidence.unsigned')
  if (evidence.inDoubt.length > 0) {
    around.log.warn('evidence.in_doubt', { decisions: evidence.inDoubt.map(({ decision }) => decision) })
  }
  return evidence
}

function signing({
  signer,
  previousSigner,
}: LoadedConfig['config']['evidence']): Pick<EvidenceOptions, 'signer' | 'previousSigner'> {
  return { ...(signer === null ? {} : { signer }), ...(previousSigner === null ? {} : { previousSigner }) }
}

async function openState({ config }: LoadedConfig): ReturnType<typeof openDatabase> {
  if ('postgres' in config.state) return openDatabase(config.state.postgres)
  const { file } = config.state
  await mkdir(dirname(file), { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
    throw new StateError('ERR_STATE_OPEN', `state.file: the directory of ${file} can't be made`, { cause })
  })
  return openDatabase(file)
}

async function openPlanes(
  planes: readonly ConfiguredPlane[],
  rooms: GatewayRooms,
  opened: AsyncDisposableStack,
): Promise<ReadonlyMap<string, RunningPlane>> {
  const running = new Map<string, RunningPlane>()
  for (const plane of planes) {
    const open = await plane.open(hostFor(plane, rooms))
    opened.defer(() => open.close())
    running.set(plane.id, open)
  }
  return running
}

async function openConsole(
  loaded: LoadedConfig,
  rooms: GatewayRooms,
  rest: Pick<
    ApiOptions,
    'outbox' | 'policies' | 'shadow' | 'exchange' | 'revocations' | 'pack' | 'overview' | 'planes'
  >,
  { log }: GatewaySurroundings,
): Promise<RunningApi> {
  const { host, port, tls, auditors, viewers, operators, metrics, signIn } = loaded.config.api
  const { ledger, bindingKey: secret } = rooms
  const verifier = recordingVerifier('api', rooms)
  const ready = async (): Promise<void> => {
    rest.policies.checkReady()
    await verifier.ready()
  }
  try {
    return await openApi({
      host,
      port,
      ...(tls === null ? {} : { tls }),
      verifier,
      ledger,
      grants: new Grants(rooms),
      ...rest,
      policy: rooms.policy,
      evidence: rooms.evidence,
      place: await evidencePlace(loaded),
      access: { viewers, auditors, operators },
      metrics,
      version: await version(),
      instance: loaded.config.instance,
      signIn,
      identify: (credentials) => identify(credentials, 'api', rooms),
      secret,
      now: () => rooms.now(),
      ready,
      log: log.error,
    })
  } catch (cause) {
    if (cause instanceof ConfigError) throw atLine(cause, loaded, 'api')
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown cause'
    const message = `${loaded.locate('api')}: api: expected to listen on ${host}:${port}; found that it can't be done (${code})`
    throw new ConfigError('ERR_CONFIG_SHAPE', message, { cause })
  }
}
