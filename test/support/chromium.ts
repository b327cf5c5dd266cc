import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'

/** Where distributions put it, and what they call it. */
const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/snap/bin/chromium',
] as const

/** Nothing of it may look around: a page of ours fetches nothing, so whatever is asked for is the page's. */
const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
] as const

/**
 * A Chromium of this machine (`CHROMIUM` names another); null, with a word of why, where there is none. With CI=true that is
 * a failure: the image needs it.
 */
export function findChromium(): string | null {
  const found = process.env['CHROMIUM'] ?? PLACES.find((path) => existsSync(path))
  if (found !== undefined) return found
  if (process.env['CI'] === 'true') throw new Error('CI needs a browser: apt-get install chromium')
  process.stderr.write('no Chromium is here, so what takes a browser is skipped\n')
  return null
}

export function openChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: [...QUIET] })
}
