import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { pack as tarPack, type Pack } from 'tar-stream'
import { requireRole } from './access.ts'
import type { App, Request } from './app.ts'
import type { EvidenceRoutes } from './decision-routes.ts'
import { Exports, type Export } from './exports.ts'
import { NotThere } from './problem.ts'
import type { SessionRoutes } from './session-routes.ts'
import * as shape from './shape.ts'

export interface ExportRoutes extends EvidenceRoutes, Pick<SessionRoutes, 'reader'> {
  now(): number
  log(event: string, fields: { readonly code: string }): void
}

interface Asked {
  readonly from?: string | null
  readonly to?: string | null
  readonly control?: string | null
  readonly agent?: string | null
  readonly session?: string | null
  readonly reason?: string | null
}

interface One {
  readonly Params: { readonly id: string }
}

const optionalName = shape.orNull(shape.name)
const asked = shape.body({
  from: shape.optionalTime,
  to: shape.optionalTime,
  control: optionalName,
  agent: optionalName,
  session: optionalName,
  reason: { type: ['string', 'null'], maxLength: 2_000 },
})
const exportShape = shape.object({
  id: shape.text,
  query: shape.anything,
  reason: shape.optionalText,
  asked_at: shape.time,
  state: { enum: ['making', 'ready', 'failed'] },
  progress: shape.orNull(shape.object({ phase: shape.text, done: shape.count, of: shape.count })),
  records: shape.optionalCount,
  manifest: shape.optionalText,
  witnessed: { type: ['boolean', 'null'] },
  problem: shape.orNull(shape.object({ code: shape.text, detail: shape.text })),
})

/** Export bundles for auditors: made in the background, fetched as one archive, recorded before either. */
export function exportRoutes(app: App, options: ExportRoutes): void {
  const { access, principalOf, reader, record } = options
  const exports = new Exports({ reader, record, now: () => options.now() })
  app.addHook('onClose', () => exports.close())
  const mayExport = async (request: Request): Promise<void> => requireRole(principalOf(request), access, 'auditor')

  app.get(
    '/v1/exports',
    {
      preHandler: mayExport,
      schema: {
        summary: 'Your exports, newest first',
        tags: ['exports'],
        response: { 200: shape.object({ exports: shape.list(exportShape) }) },
      },
    },
    (request) => ({ exports: exports.of(principalOf(request)).map(exportView) }),
  )

  app.post<{ Body: Asked }>(
    '/v1/exports',
    {
      preHandler: mayExport,
      schema: {
        summary: 'Begins an export; recorded in evidence before it can be fetched',
        tags: ['exports'],
        body: asked,
        response: { 202: exportShape },
      },
    },
    async (request, reply) => {
      const { from = null, to = null, control = null, agent = null, session = null, reason = null } = request.body
      const begun = await exports.begin(principalOf(request), { from, to, control, agent, session }, reason)
      return reply.code(202).send(exportView(begun))
    },
  )

  app.get<One>(
    '/v1/exports/:id/bundle',
    {
      preHandler: mayExport,
      schema: {
        summary: 'The bundle as a gzipped tar archive',
        tags: ['exports'],
        params: shape.params('id'),
        response: { 200: { description: 'application/gzip' } },
      },
    },
    (request, reply) => {
      const found = exports.of(principalOf(request)).find(({ id }) => id === request.params.id)
      if (found?.state !== 'ready') throw new NotThere('there is no such export of yours that is ready')
      reply.header('content-disposition', `attachment; filename="evidence-${found.id.slice(0, 8)}.tar.gz"`)
      return reply.type('application/gzip').send(archive(found.folder, (code) => options.log('api.failed', { code })))
    },
  )
}

/** Streams: a bundle may be larger than memory. */
function archive(folder: string, failed: (code: string) => void): NodeJS.ReadableStream {
  const pack = tarPack()
  const zipped = createGzip()
  pipeline(pack, zipped).catch(() => failed('ERR_EVIDENCE_EXPORT')) // whoever fetched it went away, or the disk did
  addAll(pack, folder).then(
    () => pack.finalize(),
    (error: unknown) => pack.destroy(error instanceof Error ? error : new Error(String(error))),
  )
  return zipped
}

async function addAll(pack: Pack, folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  for (const path of files.toSorted()) {
    const { size } = await stat(path)
    const name = join('evidence-bundle', relative(folder, path))
    await pipeline(createReadStream(path), pack.entry({ name, size, mode: 0o600, mtime: new Date(0) }))
  }
}

function exportView({ id, query, reason, askedAt, state, progress, told, problem }: Export): object {
  return {
    id,
    query: { ...query },
    reason,
    asked_at: shape.rfc3339(askedAt),
    state,
    progress,
    records: told?.records ?? null,
    manifest: told?.manifest ?? null,
    witnessed: told?.witnessed ?? null,
    problem,
  }
}
