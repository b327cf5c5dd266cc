import { type ServerDuplexStream, status, type UntypedServiceImplementation, type ServiceDefinition } from '@grpc/grpc-js'
import type { JsonObject } from '../../../../engine/index.ts'
import { method } from '../protos.ts'
import { readDeltaRequest } from './delta-request.ts'
import type { Snapshot } from './snapshot.ts'
import { DeltaStream, type Acknowledgement, type DeltaResponse } from './stream.ts'

const SERVICE = 'envoy.service.discovery.v3.AggregatedDiscoveryService'

/** What a client said of its configuration, and which client. */
export type Heard = Acknowledgement & { readonly node: string }

export interface XdsSurroundings {
  /** Called for every answer that a client took or refused; refusals are for people to see. */
  readonly heard: (heard: Heard) => void
}

interface Open {
  readonly call: ServerDuplexStream<unknown, JsonObject>
  readonly stream: DeltaStream
  node: string
}

/**
 * The configuration of every Envoy that asks, over one aggregated delta stream each. It holds one snapshot; publishing
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
        DeltaAggregatedResources: (call: Open['call']) => this.#serve(call),
        StreamAggregatedResources: (call: Open['call']) =>
          call.emit('error', Object.assign(new Error('only the delta protocol is spoken'), { code: status.UNIMPLEMENTED })),
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

  #serve(call: Open['call']): void {
    const open: Open = { call, stream: new DeltaStream(), node: '' }
    this.#open.add(open)
    call.on('data', (message: unknown) => this.#take(open, message))
    call.on('error', () => this.#open.delete(open))
    call.on('close', () => this.#open.delete(open))
    call.on('end', () => {
      this.#open.delete(open)
      call.end()
    })
  }

  #take(open: Open, message: unknown): void {
    try {
      const { node, request } = readDeltaRequest(message)
      if (node !== null) open.node = node
      if (request === null) return // a kind of resource that isn't served: nobody waits for it, there is none
      const told = open.stream.take(request)
      if (told !== null) this.#around.heard({ ...told, node: open.node })
      this.#advance(open)
    } catch (error) {
      this.#open.delete(open)
      open.call.emit('error', Object.assign(new Error(String(error)), { code: status.INVALID_ARGUMENT }))
    }
  }

  #advance({ call, stream }: Open): void {
    const response = stream.next(this.#snapshot)
    if (response !== null) call.write(wire(response))
  }
}

function wire({ typeUrl, nonce, resources, removed, version }: DeltaResponse): JsonObject {
  const message = {
    system_version_info: version,
    type_url: typeUrl,
    nonce,
    removed_resources: removed,
    resources: resources.map(({ name, version, bytes }) => ({
      name,
      version,
      resource: { type_url: typeUrl, value: bytes },
    })),
  }
  return Object(message) // bytes are no JSON; the serializer takes them
}
