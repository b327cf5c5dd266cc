import type { ServerReadableStream, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js'
import { method } from '../protos.ts'
import { type AccessLogEntry, readEntries } from './entry.ts'

const SERVICE = 'envoy.service.accesslog.v3.AccessLogService'

/** Takes Envoy's access log, entry by entry. One that can't be read is told to `failed`; the stream goes on. */
export function accessLogService(
  taken: (entry: AccessLogEntry) => void,
  failed: (error: unknown) => void,
): readonly [ServiceDefinition, UntypedServiceImplementation] {
  const serve = (call: ServerReadableStream<unknown, object>, reply: (error: null, answer: object) => void): void => {
    call.on('data', (message: unknown) => {
      try {
        for (const entry of readEntries(message)) taken(entry)
      } catch (error) {
        failed(error)
      }
    })
    call.on('error', () => undefined) // Envoy begins a new stream by itself
    call.on('end', () => reply(null, {}))
  }
  return [{ StreamAccessLogs: method(SERVICE, 'StreamAccessLogs') }, { StreamAccessLogs: serve }]
}
