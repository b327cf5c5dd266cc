/**
 * The picture of a session's page in docs: a whole stack, an agent's session on it, the program that makes the page of it,
 * and a browser that checks it.
 *
 *   node test/support/replay-picture.ts docs/replay.png [--dark] [--whole]
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { countersign } from './child.ts'
import { findChromium, openChromium } from './chromium.ts'
import { copyEvidence, playSession } from './replay-session.ts'
import { startStack } from './stack.ts'

const SIZE = { width: 1180, height: 1900 } as const

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { dark: { type: 'boolean', default: false }, whole: { type: 'boolean', default: false } },
})
const [path] = positionals
const chromium = findChromium()
if (path === undefined || chromium === null) throw new Error('expected a file to write, and a Chromium')
const directory = await mkdtemp(join(tmpdir(), 'countersign-picture-'))
const stack = await startStack()
try {
  await playSession(stack)
  const { evidence, logKey } = await copyEvidence(stack, directory)
  const listed: { readonly session: string }[] = JSON.parse((await countersign(['replay', evidence, '--json'])).stdout)
  const page = join(directory, 'replay.html')
  await countersign(['replay', evidence, '--session', listed[0]?.session ?? '', '--html', page])
  await take(page, (await readFile(logKey, 'utf8')).trim(), path)
} finally {
  await stack.stop()
  await rm(directory, { recursive: true, force: true })
}

async function take(page: string, key: string, to: string): Promise<void> {
  const browser = await openChromium(chromium ?? '')
  try {
    const tab = await browser.newPage({ viewport: SIZE, colorScheme: values.dark ? 'dark' : 'light' })
    await tab.goto(`${pathToFileURL(page).href}?key=${encodeURIComponent(key)}`)
    await tab.waitForSelector('.strip.ok')
    await tab.screenshot({ path: to, fullPage: values.whole })
  } finally {
    await browser.close()
  }
}
