import type { JsonObject } from '../../engine/index.ts'
import { ControlServer } from '../../planes/http/envoy/control-server.ts'
import type { Address } from '../../planes/http/envoy/settings.ts'
import { type Heard, XdsServer } from '../../planes/http/envoy/xds/server.ts'
import { snapshotOf, type Written } from '../../planes/http/envoy/xds/snapshot.ts'
import { addressOf, duration, OVER_ADS } from '../../planes/http/envoy/xds/wire-types.ts'
import { setTimeout as sleep } from 'node:timers/promises'

/** One kind of client, with backends behind it that tell their name. */
export interface Follower {
  /** Its listener, with routes named `routes`. */
  readonly listener: Written
  readonly routeMatch: JsonObject
  readonly clusterOptions: JsonObject
  readonly backends: readonly { readonly host: string; readonly port: number }[]
  /** The same configuration with something in it that the client refuses. */
  unacceptable(written: readonly Written[]): readonly Written[]
  /** Begins to follow; resolves when the first request was answered. */
  start(control: Address): Promise<void>
  /** One request; resolves with the backend that answered it, rejects when it is dropped. */
  ask(): Promise<number>
  stop(): Promise<void>
}

export interface Followed {
  readonly changes: number
  readonly requests: number
  /** What became of requests that were not answered. */
  readonly dropped: readonly string[]
  /** Requests by the backend that answered them. */
  readonly answers: readonly number[]
  readonly refusals: readonly string[]
  /** Answers of the control plane that the client had to take anew after it was started again. */
  readonly takenAgain: number
}

const PARALLEL = 4
const PATIENCE_MS = 20_000

/** The configuration in which everything goes to one backend, by a cluster that no other has. */
function configuration(follower: Follower, change: number): readonly Written[] {
  const name = `backend_${change}`
  const backend = follower.backends[change % follower.backends.length] ?? { host: '127.0.0.1', port: 1 }
  const cluster = { name, type: 'EDS', eds_cluster_config: { eds_config: OVER_ADS }, connect_timeout: duration(1000) }
  const lb_endpoints = [
    { endpoint: { address: addressOf({ kind: 'tcp', ...backend }) }, load_balancing_weight: { value: 1 } },
  ]
  const locality = { locality: { region: 'here' }, lb_endpoints, load_balancing_weight: { value: 1 } }
  const route = { match: follower.routeMatch, route: { cluster: name } }
  const routes = { name: 'routes', virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }] }
  return [
    { kind: 'cluster', name, message: { ...cluster, ...follower.clusterOptions } },
    { kind: 'endpoints', name, message: { cluster_name: name, endpoints: [locality] } },
    follower.listener,
    { kind: 'routes', name: 'routes', message: routes },
  ]
}

/** A control plane that can be ended, and started again where it was. */
class ControlPlane {
  readonly heard: Heard[] = []
  #xds: XdsServer
  #server: ControlServer | null = null
  #address: Address = { kind: 'tcp', host: '127.0.0.1', port: 0 }

  constructor(first: readonly Written[]) {
    this.#xds = this.#serverOf(first)
  }

  get address(): Address {
    return this.#address
  }

  async open(): Promise<void> {
    this.#server = await ControlServer.open(this.#address, null, [this.#xds.service], 0)
    this.#address = this.#server.address
  }

  /** As after a crash: nothing that it knew of its clients is left. */
  async restart(written: readonly Written[]): Promise<string> {
    this.#server?.close()
    this.#xds = this.#serverOf(written)
    await this.open()
    return this.#xds.snapshot.version
  }

  publish(written: readonly Written[]): string {
    const snapshot = snapshotOf(written)
    this.#xds.publish(snapshot)
    return snapshot.version
  }

  close(): void {
    this.#server?.close()
  }

  #serverOf(written: readonly Written[]): XdsServer {
    return new XdsServer(snapshotOf(written), { heard: (heard) => this.heard.push(heard) })
  }
}

/** Changes the configuration so many times under the client's feet. */
export async function followChanges(follower: Follower, changes: number): Promise<Followed> {
  const control = new ControlPlane(configuration(follower, 0))
  await control.open()
  const dropped: string[] = []
  const answers = follower.backends.map(() => 0)
  let requests = 0
  const over = new AbortController()
  const ask = async (): Promise<void> => {
    while (!over.signal.aborted) {
      requests += 1
      try {
        const backend = await follower.ask()
        answers[backend] = (answers[backend] ?? 0) + 1
      } catch (error) {
        dropped.push(String(error))
      }
    }
  }
  try {
    await follower.start(control.address)
    const traffic = Array.from({ length: PARALLEL }, ask)
    let known = { before: 0, version: '' }
    for (let change = 1; change <= changes; change += 1) {
      const written = configuration(follower, change)
      control.publish(written)
      await until(`change ${change} arrives`, async () => (await follower.ask()) === change % follower.backends.length)
      if (change !== Math.ceil(changes / 2)) continue
      control.publish(follower.unacceptable(written))
      await until('the refusal', () => Promise.resolve(control.heard.some(({ kind }) => kind === 'refused')))
      known = { before: control.heard.length, version: await control.restart(written) }
    }
    over.abort()
    await Promise.all(traffic)
    const takenAgain = control.heard.slice(known.before).filter(({ version }) => version === known.version).length
    const refusals = control.heard.flatMap((heard) => (heard.kind === 'refused' ? [heard.reason] : []))
    return { changes, requests, dropped, answers, refusals, takenAgain }
  } finally {
    over.abort()
    await follower.stop()
    control.close()
  }
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS
  while (!(await holds().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${PATIENCE_MS} ms`)
    await sleep(2)
  }
}
