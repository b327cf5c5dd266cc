import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { onTestFinished } from 'vitest'
import { BINDING_KEY } from '../../support/rooms.ts'
import { sealRequest } from '../../../engine/access-request.ts'
import type { AccessRequest, ActionClass, JsonObject, Resource, SealedRequest } from '../../../engine/access-request.ts'
import { Evaluator } from '../../../engine/policy/evaluator.ts'
import type { EvaluatorLimits } from '../../../engine/policy/evaluator.ts'
import { readTar, writeTar } from '../../../engine/policy/tar.ts'
import type { ArchiveFile } from '../../../engine/policy/tar.ts'
import { WasmModule } from '../../../engine/policy/wasm-module.ts'

export const FIXTURES: string = join(import.meta.dirname, '../../fixtures/policy')

/** Path of a compiled bundle; its sources are in the folder of the same name. */
export function fixture(name: string): string {
  return join(FIXTURES, `${name}.tar.gz`)
}

export async function filesOf(path: string): Promise<ArchiveFile[]> {
  return readTar(gunzipSync(await readFile(path)))
}

export function pack(files: readonly ArchiveFile[]): Buffer {
  return gzipSync(writeTar(files))
}

/** The files with one of them replaced, or added. */
export function withFile(files: readonly ArchiveFile[], name: string, content: Uint8Array | string): ArchiveFile[] {
  return [...files.filter((file) => file.name !== name), { name, content: Buffer.from(content) }]
}

export function withoutFile(files: readonly ArchiveFile[], name: string): ArchiveFile[] {
  return files.filter((file) => file.name !== name)
}

export function contentOf(files: readonly ArchiveFile[], name: string): Buffer {
  const file = files.find((one) => one.name === name)
  if (file === undefined) throw new Error(`the fixture has no ${name}`)
  return Buffer.from(file.content)
}

/** The file of the toy policy at another revision, with that revision's name as its approvers. */
export async function toyRevision(name: string): Promise<Buffer> {
  const toy = await filesOf(fixture('toy'))
  const manifest: object = JSON.parse(contentOf(toy, '.manifest').toString())
  const data: object = JSON.parse(contentOf(toy, 'data.json').toString())
  return pack(
    withFile(
      withFile(toy, '.manifest', JSON.stringify({ ...manifest, revision: name })),
      'data.json',
      JSON.stringify({ ...data, approvers: [name] }),
    ),
  )
}

/** Writes a bundle where openBundle finds it, for the length of the test. */
export async function onDisk(bytes: Uint8Array): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-bundle-'))
  onTestFinished(async () => rm(directory, { recursive: true }))
  const path = join(directory, 'bundle.tar.gz')
  await writeFile(path, bytes)
  return path
}

/** A fixture's module and data without the checks of loading. */
export async function evaluatorOf(name: string, limits?: EvaluatorLimits): Promise<Evaluator> {
  const files = await filesOf(fixture(name))
  const module = await WasmModule.compile(contentOf(files, 'policy.wasm'))
  return new Evaluator(module, contentOf(files, 'data.json').toString(), limits)
}

export interface RequestParts {
  readonly plane?: string
  readonly id?: string
  readonly class?: ActionClass
  readonly resources?: readonly Resource[]
  readonly block?: JsonObject
}

export function requestOf(parts: RequestParts = {}): SealedRequest {
  const { plane = 'toy', id = 'reconciler', resources = [], block = {} } = parts
  const request: AccessRequest = {
    principal: {
      id,
      kind: 'agent',
      groups: ['agents'],
      roles: [],
      issuer: 'https://idp.example',
      act: [],
      owner: 'olivia',
      token_id: null,
      token_digest: '0'.repeat(64),
      expires_at: 1_800_000_000,
    },
    action: { name: `${plane}.do`, class: parts.class ?? 'read' },
    resources,
    context: {
      plane,
      session: 's1',
      time: '2026-01-02T03:04:05.000Z',
      source: null,
      transaction: 'none',
      approvals: [],
    },
    block,
    recorded: { resources, block },
    labels_revision: '1',
  }
  return sealRequest(request, BINDING_KEY)
}

export const CUSTOMERS: Resource = {
  type: 'table',
  name: 'customers',
  labels: [],
  parts: [
    { name: 'id', labels: [], uses: ['output'] },
    { name: 'ssn', labels: ['pii'], uses: ['output'] },
  ],
}

/** A request that asks the `echo` plane of the traps bundle to answer just this. */
export function asking(plane: string, echo: JsonObject): SealedRequest {
  const request = requestOf({ plane })
  return { ...request, json: JSON.stringify({ ...JSON.parse(request.json), echo }) }
}
