import type { Server } from 'node:https'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteGenericInterface } from 'fastify'

// Typed as if always over TLS: on loopback it is Node's other server, which is the same to every route.
export type App = FastifyInstance<Server>
export type Request<Route extends RouteGenericInterface = RouteGenericInterface> = FastifyRequest<Route, Server>
export type Reply = FastifyReply<RouteGenericInterface, Server>
