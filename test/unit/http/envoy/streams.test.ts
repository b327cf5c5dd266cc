import { describe, expect, test } from 'vitest'
import { DeltaStream } from '../../../../planes/http/envoy/xds/delta-stream.ts'
import {
  snapshotOf,
  type Snapshot,
  typeUrl,
  type Kind,
  type Written,
} from '../../../../planes/http/envoy/xds/snapshot.ts'
import { OVER_ADS } from '../../../../planes/http/envoy/xds/wire-types.ts'
import { WholeStream } from '../../../../planes/http/envoy/xds/whole-stream.ts'

/** One cluster with its endpoints, and a listener with routes to it. */
function snapshot(name: string, more: readonly Written[] = []): Snapshot {
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    rds: { config_source: OVER_ADS, route_config_name: 'r' },
  }
  const route = { match: { prefix: '/' }, route: { cluster: name } }
  return snapshotOf([
    { kind: 'cluster', name, message: { name, type: 'EDS', eds_cluster_config: { eds_config: OVER_ADS } } },
    { kind: 'endpoints', name, message: { cluster_name: name } },
    { kind: 'listener', name: 'l', message: { name: 'l', api_listener: { api_listener: manager } } },
    {
      kind: 'routes',
      name: 'r',
      message: { name: 'r', virtual_hosts: [{ name: 'v', domains: ['*'], routes: [route] }] },
    },
    ...more,
  ])
}

interface Sent {
  readonly kind: string
  readonly nonce: string
  readonly names: readonly string[]
  readonly removed: readonly string[]
}

function sent(stream: { next(snapshot: Snapshot): object | null }, current: Snapshot): Sent | null {
  const response = stream.next(current)
  if (response === null) return null
  const { type_url, nonce, resources, removed_resources = [] } = Object(response)
  const names = resources.map((each: { name?: string }) => each.name ?? '')
  return { kind: String(type_url).split('.').at(-1) ?? '', nonce, names, removed: removed_resources }
}

function delta(kind: Kind, more: object = {}): object {
  return {
    type_url: typeUrl(kind),
    resource_names_subscribe: [],
    resource_names_unsubscribe: [],
    initial_resource_versions: {},
    response_nonce: '',
    error_detail: null,
    node: null,
    ...more,
  }
}

/** Subscribes to all and takes all, as Envoy does. */
function settled(stream: DeltaStream, current: Snapshot, name: string): void {
  stream.take(delta('cluster', { node: { id: 'n' } }))
  stream.take(delta('endpoints', { resource_names_subscribe: [name] }))
  stream.take(delta('listener'))
  stream.take(delta('routes', { resource_names_subscribe: ['r'] }))
  for (let due = sent(stream, current); due !== null; due = sent(stream, current)) ack(stream, due)
}

function ack(stream: DeltaStream, { kind, nonce }: Sent, error: object | null = null): ReturnType<DeltaStream['take']> {
  const kinds: Record<string, Kind> = {
    Cluster: 'cluster',
    ClusterLoadAssignment: 'endpoints',
    Listener: 'listener',
    RouteConfiguration: 'routes',
  }
  return stream.take(delta(kinds[kind] ?? 'cluster', { response_nonce: nonce, error_detail: error }))
}

describe('the delta form', () => {
  test('brings clusters, then endpoints, listener, routes; takes away in reverse, when all else was taken', () => {
    const stream = new DeltaStream()
    settled(stream, snapshot('a'), 'a')
    const next = snapshot('b')
    stream.take(delta('endpoints', { resource_names_subscribe: ['b'] }))
    const order: string[] = []
    for (let due = sent(stream, next); due !== null; due = sent(stream, next)) {
      order.push(`${due.kind} +${due.names.join()} -${due.removed.join()}`)
      ack(stream, due)
    }
    expect(order).toEqual([
      'Cluster +b -',
      'ClusterLoadAssignment +b -',
      'RouteConfiguration +r -',
      'ClusterLoadAssignment + -a',
      'Cluster + -a',
    ])
  })

  test('a cluster that is under way does not keep its endpoints waiting, only what routes to it', () => {
    const stream = new DeltaStream()
    settled(stream, snapshot('a'), 'a')
    const next = snapshot('b')
    expect(sent(stream, next)?.kind).toBe('Cluster')
    expect(sent(stream, next)).toBeNull()
    stream.take(delta('endpoints', { resource_names_subscribe: ['b'] }))
    expect(sent(stream, next)?.kind).toBe('ClusterLoadAssignment')
    expect(sent(stream, next)).toBeNull() // the routes wait for both
  })

  test('a refusal is told, the rest of that snapshot is kept back, and what was refused is never sent again', () => {
    const stream = new DeltaStream()
    settled(stream, snapshot('a'), 'a')
    const bad = snapshot('b')
    const due = sent(stream, bad)
    if (due === null) throw new Error('nothing was sent')
    expect(ack(stream, due, { message: 'no such thing' })).toEqual({
      kind: 'refused',
      of: 'cluster',
      version: bad.version,
      names: ['b'],
      reason: 'no such thing',
    })
    expect(sent(stream, bad)).toBeNull()
    const other: Written = {
      kind: 'cluster',
      name: 'c',
      message: { name: 'c', type: 'STATIC', load_assignment: { cluster_name: 'c' } },
    }
    expect(sent(stream, snapshot('b', [other]))).toBeNull() // b is as it was refused
    expect(sent(stream, snapshot('d', [other]))?.names).toEqual(['d', 'c'])
  })

  test('a word on an older answer counts for nothing', () => {
    const stream = new DeltaStream()
    stream.take(delta('cluster'))
    const due = sent(stream, snapshot('a'))
    expect(due?.nonce).toBe('1')
    expect(stream.take(delta('cluster', { response_nonce: '0', error_detail: { message: 'x' } }))).toBeNull()
    expect(stream.take(delta('cluster', { response_nonce: '1' }))).toMatchObject({ kind: 'taken' })
  })

  test('who comes back with what it holds is sent nothing of it again, and told what is gone', () => {
    const current = snapshot('a')
    const version = current.resources.cluster.get('a')?.version
    const stream = new DeltaStream()
    stream.take(delta('cluster', { initial_resource_versions: { a: version, old: 'x' } }))
    expect(sent(stream, current)).toMatchObject({ names: [], removed: ['old'] })
  })

  test('who asks for what is not there is told so, once', () => {
    const stream = new DeltaStream()
    stream.take(delta('routes', { resource_names_subscribe: ['nowhere'] }))
    const due = sent(stream, snapshot('a'))
    expect(due?.removed).toEqual(['nowhere'])
    if (due !== null) ack(stream, due)
    expect(sent(stream, snapshot('a'))).toBeNull()
  })

  test.each([null, 'text', {}, { type_url: 7 }, delta('cluster', { resource_names_subscribe: 'a' })])(
    'what is no request of the protocol is an error: %j',
    (message) => {
      expect(() => new DeltaStream().take(message)).toThrow(TypeError)
    },
  )
})

function whole(kind: Kind, names: readonly string[], nonce = '', error: object | null = null): object {
  return { type_url: typeUrl(kind), resource_names: names, response_nonce: nonce, error_detail: error, node: null }
}

describe('the whole form', () => {
  test('what goes is sent along until everything that named it has changed', () => {
    const stream = new WholeStream()
    const first = snapshot('a')
    stream.take(whole('cluster', []))
    stream.take(whole('routes', ['r']))
    for (let due = sent(stream, first); due !== null; due = sent(stream, first)) {
      stream.take(whole(due.kind === 'Cluster' ? 'cluster' : 'routes', due.kind === 'Cluster' ? [] : ['r'], due.nonce))
    }
    const next = snapshot('b')
    const order: string[] = []
    for (let due = sent(stream, next); due !== null; due = sent(stream, next)) {
      order.push(`${due.kind} ${due.names.length}`)
      stream.take(whole(due.kind === 'Cluster' ? 'cluster' : 'routes', due.kind === 'Cluster' ? [] : ['r'], due.nonce))
    }
    expect(order).toEqual(['Cluster 2', 'RouteConfiguration 1', 'Cluster 1'])
  })

  test('who names another thing, with the newest nonce, is told of it; with an older one not', () => {
    const stream = new WholeStream()
    const current = snapshot('a')
    stream.take(whole('cluster', ['x']))
    const due = sent(stream, current)
    stream.take(whole('cluster', ['x'], due?.nonce))
    expect(sent(stream, current)).toBeNull()
    stream.take(whole('cluster', ['x', 'a'], 'old'))
    expect(sent(stream, current)).toBeNull()
    stream.take(whole('cluster', ['x', 'a'], due?.nonce))
    expect(sent(stream, current)?.names).toHaveLength(1)
  })

  test('a refusal keeps the client where it was', () => {
    const stream = new WholeStream()
    const current = snapshot('a')
    stream.take(whole('cluster', []))
    const due = sent(stream, current)
    expect(stream.take(whole('cluster', [], due?.nonce, { message: 'no' }))).toMatchObject({
      kind: 'refused',
      reason: 'no',
    })
    expect(sent(stream, current)).toBeNull()
    expect(sent(stream, snapshot('b'))?.kind).toBe('Cluster')
  })
})
