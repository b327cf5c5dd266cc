import type { BrowserContext } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { seriousFindings } from '../../support/axe.ts'
import { findChromium, openChromium } from '../../support/chromium.ts'
import { agentsAtWork, PICTURED, signInAs } from '../../support/console-scenes.ts'
import { findPsql } from '../../support/psql.ts'
import { startStack } from '../../support/stack.ts'

const chromium = findChromium()

const LOOKS = [
  { width: 1280, colorScheme: 'light' },
  { width: 1280, colorScheme: 'dark' },
  { width: 390, colorScheme: 'light' },
  { width: 390, colorScheme: 'dark' },
] as const

describe.skipIf(chromium === null || findPsql() === null)('every page of the console', () => {
  test('wide and narrow, light and dark: no serious finding of axe, nothing to be scrolled sideways', async () => {
    await using opened = new AsyncDisposableStack()
    const stack = await startStack()
    opened.defer(() => stack.stop())
    const browser = await openChromium(chromium ?? '')
    opened.defer(() => browser.close())
    opened.use(await agentsAtWork(stack))
    const signedIn = new Map<string, BrowserContext>()
    for (const { name, as, path, look } of PICTURED) {
      const known = signedIn.get(as)
      const context = known ?? (await browser.newContext({ reducedMotion: 'reduce' }))
      signedIn.set(as, context)
      const page = known === undefined ? await signInAs(context, stack, as) : await context.newPage()
      await page.setViewportSize({ width: 1280, height: 900 })
      await page.goto(`${stack.line.console}${path}`)
      await look(page)
      for (const { width, colorScheme } of LOOKS) {
        await page.setViewportSize({ width, height: 900 })
        await page.emulateMedia({ colorScheme })
        const sideways = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
        expect({ name, width, colorScheme, found: await seriousFindings(page), sideways }).toEqual({
          name,
          width,
          colorScheme,
          found: [],
          sideways: 0,
        })
      }
      await page.close()
    }
  })
})
