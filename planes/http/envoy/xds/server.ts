import {
  type ServerDuplexStream,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { method } from '../protos.ts'
import type { Acknowledgement, ConfigurationStream } from './configuration-stream.ts'
import { DeltaStream } from './delta-stream.ts'
import type { Snapshot } from './snapshot.ts'
import { WholeStream } from './whole-stream.ts'

const SERVICE = 'envoy.service.discovery.v3.AggregatedDiscoveryService'

/** What a client said of its configuration, and which client. */
export type Heard = Acknowledgement & { readonly node: string }

export interface XdsSurroundings {
  /** Called for every answer that a client took or refused; refusals are for people to see. */
  readonly heard: (heard: Heard) => void
}

type Call = ServerDuplexStream<unknown, object>

interface Open {
  readonly call: Call
  readonly stream: ConfigurationStream
}

/**
 * The configuration of every Envoy that asks, over one aggregated stream each. It holds one snapshot; publishing
 * another brings all of them there step by step. A client that refuses something keeps what it had.
 */
export class XdsServer {
  readonly #around: XdsSurroundings
  readonly #open = new Set<Open>()
  #snapshot: Snapshot

  constructor(first: Snapshot, around: XdsSurroundings) {
    this.#snapshot = first
    this.#around = around
  }

  get service(): readonly [ServiceDefinition, UntypedServiceImplementation] {
    const delta = method(SERVICE, 'DeltaAggregatedResources')
    const whole = method(SERVICE, 'StreamAggregatedResources')
    return [
      { DeltaAggregatedResources: delta, StreamAggregatedResources: whole },
      {
        DeltaAggregatedResources: (call: Call) => this.#serve(call, new DeltaStream()),
        StreamAggregatedResources: (call: Call) => this.#serve(call, new WholeStream()),
      },
    ]
  }

  get snapshot(): Snapshot {
    return this.#snapshot
  }

  publish(snapshot: Snapshot): void {
    this.#snapshot = snapshot
    for (const each of this.#open) this.#advance(each)
  }

  #serve(call: Call, stream: ConfigurationStream): void {
    const open: Open = { call, stream }
    this.#open.add(open)
    call.on('data', (message: unknown) => this.#take(open, message))
    call.on('error', () => this.#open.delete(open))
    call.on('cancelled', () => this.#open.delete(open))
    call.on('end', () => {
      this.#open.delete(open)
      call.end()
    })
  }

  #take(open: Open, message: unknown): void {
    try {
      const told = open.stream.take(message)
      if (told !== null) this.#around.heard({ ...told, node: open.stream.node })
      this.#advance(open)
    } catch (error) {
      open.call.emit('error', Object.assign(new Error(String(error)), { code: status.INVALID_ARGUMENT }))
    }
  }

  #advance({ call, stream }: Open): void {
    for (let due = stream.next(this.#snapshot); due !== null; due = stream.next(this.#snapshot)) call.write(due)
  }
}
