import type { Server } from 'node:https'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteGenericInterface } from 'fastify'

// Typed as if always over TLS: on loopback it is Node's other server, which is the same to every route.
export type App = FastifyInstance<Server>
export type Request<Route extends RouteGenericInterface = RouteGenericInterface> = FastifyRequest<Route, Server>
export type Reply = FastifyReply<RouteGenericInterface, Server>

declare module 'fastify' {
  /** What the API's description (OpenAPI) says of a route, beside what it takes and answers. */
  interface FastifySchema {
    readonly summary?: string
    readonly tags?: readonly string[]
  }
}
