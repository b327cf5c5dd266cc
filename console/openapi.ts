import type { App } from './app.ts'
import type { Shape } from './shape.ts'

/** What Fastify tells of a route as it is registered. */
interface Registered {
  readonly method: string | readonly string[]
  readonly url: string
}

type Operation = Readonly<Record<string, unknown>>

const PROBLEM: Shape = {
  description: 'A problem (RFC 9457); `code` is of docs/errors.md',
  content: {
    'application/problem+json': {
      schema: {
        type: 'object',
        required: ['type', 'title', 'status', 'code', 'detail'],
        properties: {
          type: { const: 'about:blank' },
          title: { type: 'string' },
          status: { type: 'integer' },
          code: { type: 'string' },
          detail: { type: 'string' },
        },
      },
    },
  },
}

/**
 * The API's description (OpenAPI 3.1), made of what its routes say of themselves: what they take is checked by the same
 * schemas. Committed as docs/openapi.json; a test compares, and holds real answers against it.
 */
export function describeApi(app: App, version: string): void {
  const paths: Record<string, Record<string, Operation>> = {}
  app.addHook('onRoute', (route) => {
    const { url, method }: Registered = route
    const schema: Readonly<Record<string, unknown>> = Object(route.schema)
    if (!url.startsWith('/v1/') && !['/healthz', '/readyz', '/metrics'].includes(url)) return
    const path = url.replaceAll(/:(\w+)/g, '{$1}')
    for (const each of [method].flat()) {
      if (each === 'HEAD') continue
      paths[path] = { ...paths[path], [each.toLowerCase()]: operation(schema, url.startsWith('/v1/')) }
    }
  })
  app.get(
    '/v1/openapi.json',
    { schema: { summary: 'This description', tags: ['system'], response: { 200: { type: 'object' } } } },
    () => document(paths, version),
  )
}

function document(paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>, version: string): object {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Countersign gateway',
      version,
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'What people, pages and the command line ask of a gateway. A bearer token of the identity provider, or a browser’s session; a change that a browser asks for brings X-CSRF-Token, which /v1/me tells.',
    },
    paths: Object.fromEntries(Object.entries(paths).toSorted(([one], [other]) => (one < other ? -1 : 1))),
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        session: { type: 'apiKey', in: 'cookie', name: '__Host-countersign' },
      },
      responses: { problem: PROBLEM },
    },
  }
}

function operation(schema: Readonly<Record<string, unknown>>, needsToken: boolean): Operation {
  const { summary, tags, params, querystring, body, response } = schema
  const answers: Readonly<Record<string, unknown>> = Object(response)
  const parameters = [...parametersOf('path', params), ...parametersOf('query', querystring)]
  return {
    ...(summary === undefined ? {} : { summary }),
    ...(tags === undefined ? {} : { tags }),
    ...(needsToken ? { security: [{ token: [] }, { session: [] }] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: contentOf(body) } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, shape]) => [status, { description: 'Done', ...answerOf(shape) }]),
      ),
      default: { $ref: '#/components/responses/problem' },
    },
  }
}

/** A schema of what is no JSON says its media type in `description`. */
function answerOf(shape: unknown): object {
  const { description }: { readonly description?: unknown } = Object(shape)
  if (typeof description === 'string' && /^[\w-]+\/[\w+.-]+$/.test(description))
    return { content: { [description]: {} } }
  return { content: contentOf(shape) }
}

function contentOf(shape: unknown): object {
  const { description }: { readonly description?: unknown } = Object(shape)
  if (description === 'application/gzip') return { 'application/gzip': {} }
  return { 'application/json': { schema: shape } }
}

function parametersOf(place: 'path' | 'query', shape: unknown): readonly object[] {
  const { properties, required }: { readonly properties?: object; readonly required?: readonly string[] } =
    Object(shape)
  return Object.entries(properties ?? {}).map(([name, schema]: [string, unknown]) => ({
    name,
    in: place,
    required: place === 'path' || required?.includes(name) === true,
    schema,
  }))
}
