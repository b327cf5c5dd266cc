/**
 * The report's pages for docs/report/, made again from the running product: a bank, an agent's day, a crash, one control.
 * Needs pdftoppm (poppler-utils).
 *
 *   node test/support/report-pictures.ts
 */
import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { grayPicture } from './gray-picture.ts'
import { countersign } from './child.ts'
import { playDay } from './report-scenes.ts'
import { startStack } from './stack.ts'

const CONTROL = 'IS.II.C.7(c)'
const PICTURES = fileURLToPath(new URL('../../docs/report/', import.meta.url))
const DPI = '92'
const MAX_BYTES = 200 * 1024

const stack = await startStack({ logLevel: 'warn' })
try {
  await playDay(stack)
  await stack.gateway.stop()
  const at = (name: string): string => join(dirname(stack.line.config), name)
  const key = ['--evidence', stack.evidence, '--log-key', at('log.pub')]
  const { status, stderr } = await countersign(['report', ...key, '--control', CONTROL, '-o', at('report.pdf')])
  if (status !== 0) throw new Error(stderr)
  await rm(PICTURES, { recursive: true, force: true })
  await mkdir(PICTURES, { recursive: true })
  await promisify(execFile)('pdftoppm', ['-gray', '-r', DPI, at('report.pdf'), at('page')])
  const pages = (await readdir(at('.'))).filter((name) => name.endsWith('.pgm')).toSorted()
  for (const page of pages) {
    const picture = grayPicture(await readFile(at(page)))
    const name = page.replace('.pgm', '.png')
    if (picture.length > MAX_BYTES)
      throw new Error(`${name} takes ${picture.length} bytes, at most ${MAX_BYTES} are wanted`)
    await writeFile(join(PICTURES, name), picture)
    process.stdout.write(`docs/report/${name}  ${picture.length} bytes\n`)
  }
} finally {
  await stack.stop()
}
