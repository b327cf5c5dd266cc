import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnvelope, sealEnvelope } from '../../../../engine/evidence/bundle/dsse.ts'
import { MANIFEST, manifestText, parseManifest, type Predicate } from '../../../../engine/evidence/bundle/manifest.ts'
import { contentOf, exporter } from './workbench.ts'

/**
 * Signs a bundle again as it now is, as somebody could who holds the export key: every digest is right, and the manifest
 * says what `change` makes of it. Only what follows from the log's own signature can show that now.
 */
export function reseal(bundle: string, change: (predicate: Predicate) => Predicate = (predicate) => predicate): void {
  const path = join(bundle, MANIFEST)
  const envelope = parseEnvelope(readFileSync(path, 'utf8'))
  const parsed = parseManifest(envelope?.payload.toString('utf8') ?? '')
  if (parsed.kind !== 'manifest') throw new Error('no manifest')
  const others = [...contentOf(bundle)].filter(([name]) => name !== MANIFEST)
  const files = new Map(others.map(([name, bytes]) => [name, createHash('sha256').update(bytes).digest('hex')]))
  const statement = manifestText({ files, predicate: change(parsed.manifest.predicate) })
  writeFileSync(path, sealEnvelope(Buffer.from(statement), exporter))
}

/** The lines of a bundle's file, put back changed. */
export function editLines(bundle: string, name: string, change: (lines: readonly string[]) => readonly string[]): void {
  const path = join(bundle, name)
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  writeFileSync(
    path,
    change(lines)
      .map((line) => `${line}\n`)
      .join(''),
  )
}

export function replaceIn(bundle: string, name: string, what: string | RegExp, by: string): void {
  const path = join(bundle, name)
  const text = readFileSync(path, 'utf8')
  const changed = text.replace(what, by)
  if (changed === text) throw new Error(`${name}: nothing to replace`)
  writeFileSync(path, changed)
}
