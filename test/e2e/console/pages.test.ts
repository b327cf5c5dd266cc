import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findChromium, openChromium } from '../../support/chromium.ts'
import { agentsAtWork, PICTURED, signInAs } from '../../support/console-scenes.ts'
import { findPsql } from '../../support/psql.ts'
import { startStack, type Stack } from '../../support/stack.ts'

const chromium = findChromium()
const psql = findPsql()
const run = promisify(execFile)

/** An agent's work behind one gateway, and the bank's people who look at it in one real browser. */
describe.skipIf(chromium === null || psql === null)('the console’s pages', () => {
  let stack: Stack
  let browser: Browser
  let work: Disposable
  const contexts = new Map<string, BrowserContext>()
  const complaints: string[] = []

  beforeAll(async () => {
    ;[stack, browser] = await Promise.all([startStack(), openChromium(chromium ?? '')])
    work = await agentsAtWork(stack)
  }, 180_000)
  afterAll(async () => {
    work?.[Symbol.dispose]()
    await browser?.close()
    await stack?.stop()
  })

  /** A page of somebody who signs in once. */
  async function pageOf(person: string): Promise<Page> {
    const known = contexts.get(person)
    const context =
      known ?? (await browser.newContext({ reducedMotion: 'reduce', viewport: { width: 1280, height: 900 } }))
    contexts.set(person, context)
    const page = known === undefined ? await signInAs(context, stack, person) : await context.newPage()
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('console', (message) => {
      const { url } = message.location()
      // Refused because nobody is signed in yet, because it is another role's, or by this test.
      const isOurs = url.startsWith(stack.line.console) && !/\/v1\/(me|policy|events)$/.test(url)
      if (message.type() === 'error' && isOurs) complaints.push(`${url} ${message.text()}`)
    })
    return page
  }

  test('decisions come by themselves, are narrowed in the address, and are gone through by keys', async () => {
    const page = await pageOf('axel')
    await page.goto(`${stack.line.console}/console/decisions?rule=reject-destructive`)
    await page.locator('.rows li').nth(1).waitFor()
    const before = await page.locator('.rows li').count()
    await run('psql', ['-X', '-c', 'TRUNCATE transfers'], { env: { ...process.env, ...stack.line.env } }).catch(
      () => undefined,
    )
    await expect.poll(() => page.locator('.rows li').count()).toBe(before + 1)
    await page.keyboard.press('j')
    await page.getByRole('heading', { name: 'Why', exact: true }).waitFor()
    expect(new URL(page.url()).pathname).toMatch(/^\/console\/decisions\/[\w-]+$/)
    expect(new URL(page.url()).search).toBe('?rule=reject-destructive')
    expect(await page.locator('.detail').innerText()).toMatch(/nothing reached the upstream/)
    await page.goBack()
    await page.getByLabel('Verdict').selectOption('mask')
    await page.waitForURL(/verdict=mask/)
    await page.close()
  })

  test('the skip link leads to the content, and the menu of a narrow screen opens and closes by keys', async () => {
    const page = await pageOf('axel')
    await page.setViewportSize({ width: 390, height: 844 })
    await page.goto(`${stack.line.console}/console/sessions`)
    await page.getByRole('heading', { level: 1 }).waitFor()
    expect(await page.getByRole('link', { name: 'To the content' }).getAttribute('href')).toBe('#main')
    const menu = page.getByRole('button', { name: 'Menu' })
    await menu.focus()
    await page.keyboard.press('Enter')
    await page.getByRole('link', { name: 'Controls' }).focus()
    await page.keyboard.press('Escape')
    expect(await menu.getAttribute('aria-expanded')).toBe('false')
    expect(await page.getByRole('link', { name: 'Controls' }).isVisible()).toBe(false)
    await page.close()
  })

  test('a viewer is offered no recording, no export and no policy, and is refused what is not offered', async () => {
    const page = await pageOf('vera')
    await page.goto(`${stack.line.console}/console/decisions`)
    await page.locator('.rows a').first().click()
    await page.getByRole('heading', { name: 'What happened' }).waitFor()
    expect(await page.getByRole('button', { name: 'Show what was sent' }).count()).toBe(0)
    expect(await page.getByRole('navigation', { name: 'Pages' }).getByRole('link').allInnerTexts()).toEqual(
      expect.not.arrayContaining(['Exports', 'Policy']),
    )
    await page.goto(`${stack.line.console}/console/policy`)
    await page.getByRole('alert').filter({ hasText: 'only operators' }).waitFor()
    await page.close()
  })

  test('what an auditor downloads is what the command line verifies', async () => {
    const page = await pageOf('axel')
    await page.goto(`${stack.line.console}/console/exports`)
    await PICTURED.find(({ name }) => name === 'exports')?.look(page)
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download' }).first().click(),
    ])
    const directory = mkdtempSync(join(tmpdir(), 'countersign-export-'))
    try {
      await download.saveAs(join(directory, 'bundle.tar.gz'))
      await run('tar', ['xzf', 'bundle.tar.gz'], { cwd: directory })
      const key = join(dirname(stack.line.config), 'log.pub')
      const verify = ['cli/main.ts', 'evidence', 'verify', join(directory, 'evidence-bundle'), '--log-key', key]
      const { stdout } = await run(process.execPath, verify)
      expect(stdout).toMatch(/records/)
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
    await page.close()
  })

  test('news that stop are told, and asked for again', async () => {
    const page = await pageOf('axel')
    await page.route('**/v1/events', (route) => route.abort())
    await page.goto(`${stack.line.console}/console/decisions`)
    await page.getByText('Reconnecting …').waitFor()
    await page.unroute('**/v1/events')
    await expect.poll(() => page.getByText('Live', { exact: true }).isVisible(), { timeout: 30_000 }).toBe(true)
    await page.close()
  })

  test('nothing of all that made the browser complain', () => {
    expect(complaints).toEqual([])
  })
})
