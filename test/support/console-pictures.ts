import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { findChromium, openChromium } from './chromium.ts'
import { agentsAtWork, PICTURED, signInAs } from './console-scenes.ts'
import { startStack } from './stack.ts'

/**
 * `node test/support/console-pictures.ts DIRECTORY [PAGE…]`: every page, light and dark, wide and narrow, from a running gateway
 * with real statements behind it.
 */
const [directory = 'console-pictures', ...only] = process.argv.slice(2)
mkdirSync(directory, { recursive: true })
await using opened = new AsyncDisposableStack()
const stack = await startStack()
opened.defer(() => stack.stop())
const browser = await openChromium(findChromium() ?? 'chromium')
opened.defer(() => browser.close())
opened.use(await agentsAtWork(stack))

for (const width of [1280, 390]) {
  for (const colorScheme of ['light', 'dark'] as const) {
    const height = width === 390 ? 844 : 900
    for (const person of new Set(PICTURED.map(({ as }) => as))) {
      const scenes = PICTURED.filter(({ as, name }) => as === person && (only.length === 0 || only.includes(name)))
      if (scenes.length === 0) continue
      const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: 'reduce' })
      const page = await signInAs(context, stack, person)
      for (const { name, path, look } of scenes) {
        await page.goto(`${stack.line.console}${path}`)
        await look(page)
        await picture(page, `${name}-${width}-${colorScheme}`)
      }
      await context.close()
    }
  }
}

async function picture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(directory, `${name}.png`), fullPage: name.includes('-390-') })
}
