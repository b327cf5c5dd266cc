import type { JsonObject } from '../../../../engine/index.ts'
import type { Address } from '../settings.ts'

/** Envoy's own ways of writing this and that, as protobuf's JSON has them without its short forms. */
export function any(type: string, message: JsonObject): JsonObject {
  return { '@type': `type.googleapis.com/${type}`, ...message }
}

export function duration(ms: number): JsonObject {
  return { seconds: Math.trunc(ms / 1000), nanos: (ms % 1000) * 1_000_000 }
}

export function wrapped(value: number | boolean): JsonObject {
  return { value }
}

export function addressOf(address: Address): JsonObject {
  return address.kind === 'unix'
    ? { pipe: { path: address.path } }
    : { socket_address: { address: address.host, port_value: address.port } }
}

/** Configuration that comes over the one aggregated stream; nothing starts before it has come. */
export const OVER_ADS: JsonObject = {
  ads: {},
  resource_api_version: 'V3',
  initial_fetch_timeout: { seconds: 0, nanos: 0 },
}
