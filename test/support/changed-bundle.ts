import { readFile, writeFile } from 'node:fs/promises'
import { gunzipSync, gzipSync } from 'node:zlib'
import { readTar, writeTar } from '../../engine/policy/tar.ts'

/** Writes a compiled bundle of policies/dist into `path`, its data changed: the same rules over other labels and masks. */
export async function writeChangedBundle(
  name: 'starter' | 'allow-all',
  path: string,
  change: (data: Record<string, unknown>) => object,
): Promise<void> {
  const source = new URL(`../../policies/dist/${name}.tar.gz`, import.meta.url)
  const files = readTar(gunzipSync(await readFile(source))).map((file) => {
    const content = Buffer.from(file.content).toString()
    if (file.name === '.manifest') return { ...file, content: Buffer.from(withoutVectors(content)) }
    if (file.name !== 'data.json') return file
    return { ...file, content: Buffer.from(JSON.stringify(change(JSON.parse(content)))) }
  })
  await writeFile(path, gzipSync(writeTar(files)))
}

/** What the bundle tests itself by was answered under the data that it was built with. */
function withoutVectors(manifest: string): string {
  const { metadata, ...rest } = Object(JSON.parse(manifest))
  return JSON.stringify({ ...rest, metadata: { ...metadata, self_test: [] } })
}
