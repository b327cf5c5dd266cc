import type { RequestHead } from '../message.ts'
import { mediaType } from '../message.ts'
import { refused } from './refusal.ts'

export interface GrpcMethod {
  /** `bank.v1.Payments`. */
  readonly service: string
  readonly method: string
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*$/

export function isGrpc(head: Pick<RequestHead, 'headers'>): boolean {
  const type = mediaType(head.headers)
  return type === 'application/grpc' || type.startsWith('application/grpc+') || type.startsWith('application/grpc-web')
}

/** Service and method out of the path; null where the content type isn't gRPC's. Throws NormalizeError for a call that names none. */
export function grpcMethod(head: RequestHead, segments: readonly string[]): GrpcMethod | null {
  if (!isGrpc(head)) return null
  const [service = '', method = '', ...more] = segments
  if (head.method !== 'POST' || more.length > 0 || !NAME.test(service) || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(method))
    throw refused('ERR_NORMALIZE_UNRESOLVED', 'a gRPC call is a POST to /package.Service/Method')
  return { service, method }
}
