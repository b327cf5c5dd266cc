import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { MethodDefinition } from '@grpc/grpc-js'
import protobuf from 'protobufjs'
import { ConfigError, type JsonObject, type JsonValue } from '../../../engine/index.ts'

/** Those of Envoy's files that are spoken or configured here; what they import comes with them. */
const FILES = [
  'envoy/service/discovery/v3/ads.proto',
  'envoy/service/ext_proc/v3/external_processor.proto',
  'envoy/service/accesslog/v3/als.proto',
  'envoy/config/cluster/v3/cluster.proto',
  'envoy/config/endpoint/v3/endpoint.proto',
  'envoy/config/listener/v3/listener.proto',
  'envoy/config/route/v3/route.proto',
  'envoy/extensions/access_loggers/grpc/v3/als.proto',
  'envoy/extensions/filters/http/ext_proc/v3/ext_proc.proto',
  'envoy/extensions/filters/http/lua/v3/lua.proto',
  'envoy/extensions/filters/http/rbac/v3/rbac.proto',
  'envoy/extensions/filters/http/router/v3/router.proto',
  'envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto',
  'envoy/extensions/transport_sockets/tls/v3/tls.proto',
  'envoy/extensions/upstreams/http/v3/http_protocol_options.proto',
]

const require = createRequire(import.meta.url)
const gRPC = join(dirname(require.resolve('@grpc/grpc-js-xds/package.json')), 'deps')
const PLACES = [
  ...['envoy-api', 'googleapis', 'protoc-gen-validate', 'xds'].map((each) => join(gRPC, each)),
  dirname(require.resolve('protobufjs/package.json')),
]

/** Envoy's protocol, read from the .proto files of gRPC's own xDS client; field names as Envoy's documentation has them. */
const ROOT = loadRoot()

function loadRoot(): protobuf.Root {
  const root = new protobuf.Root()
  const bundled = root.resolvePath.bind(root)
  root.resolvePath = (_origin, target) => {
    const found = PLACES.map((place) => join(place, target)).find((path) => existsSync(path))
    return found ?? bundled('', target)
  }
  root.loadSync([...FILES], { keepCase: true })
  root.resolveAll()
  return root
}

const AS_WRITTEN: protobuf.IConversionOptions = {
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
  json: true,
}

type Method = MethodDefinition<object, unknown>

/** A method to serve: what comes is `unknown`, what goes is checked by nobody but its maker. */
export function method(service: string, name: string): Method {
  const found: unknown = ROOT.lookupService(service).methods[name]
  if (!(found instanceof protobuf.Method)) throw new TypeError(`${service} has no method ${name}`)
  found.resolve()
  const { resolvedRequestType: requests, resolvedResponseType: responses } = found
  if (!(requests instanceof protobuf.Type) || !(responses instanceof protobuf.Type))
    throw new TypeError(`${name} has no types`)
  return {
    path: `/${service}/${name}`,
    requestStream: found.requestStream ?? false,
    responseStream: found.responseStream ?? false,
    requestSerialize: (value) => bytesOf(requests, value),
    requestDeserialize: (bytes) => read(requests, bytes),
    responseSerialize: (value) => bytesOf(responses, Object(value)),
    responseDeserialize: (bytes) => read(responses, bytes),
  }
}

function bytesOf(type: protobuf.Type, message: object): Buffer {
  return Buffer.from(type.encode(type.fromObject({ ...message })).finish())
}

function read(type: protobuf.Type, bytes: Uint8Array): object {
  return type.toObject(type.decode(bytes), AS_WRITTEN)
}

/**
 * The bytes of one message. A field, an enumeration's value or a type that Envoy hasn't got would be lost without a word, and
 * with it perhaps what keeps the chain closed: what was written must be there when it is read back. Throws ConfigError.
 */
export function encode(name: string, message: JsonObject): Buffer {
  const type = ROOT.lookupType(name)
  const bytes = bytesOf(type, message)
  const lost = missing(message, read(type, bytes), name)
  if (lost !== null) throw new ConfigError('ERR_CONFIG_SHAPE', lost)
  return bytes
}

/** The first thing of `written` that isn't in `read`, in words; null when all is there. */
function missing(written: JsonValue, read: unknown, path: string): string | null {
  if (Array.isArray(written)) {
    const items: readonly unknown[] = Array.isArray(read) ? read : []
    if (items.length !== written.length) return lostAt(path, `${written.length} items`, `${items.length}`)
    return firstOf(written.map((each, index) => () => missing(each, items[index], `${path}[${index}]`)))
  }
  if (typeof written === 'object' && written !== null) {
    const fields: Readonly<Record<string, unknown>> = typeof read === 'object' && read !== null ? { ...read } : {}
    return firstOf(
      Object.entries(written).map(
        ([key, each]) =>
          () =>
            key in fields ? missing(each, fields[key], `${path}.${key}`) : lostAt(`${path}.${key}`, 'a field', 'none'),
      ),
    )
  }
  return String(read) === String(written) ? null : lostAt(path, JSON.stringify(written), JSON.stringify(read) ?? 'none')
}

function firstOf(checks: readonly (() => string | null)[]): string | null {
  for (const check of checks) {
    const found = check()
    if (found !== null) return found
  }
  return null
}

function lostAt(path: string, expected: string, found: string): string {
  return `Envoy's configuration at ${path}: expected ${expected}, found ${found}`
}
