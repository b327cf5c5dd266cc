import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { seriousFindings } from '../../support/axe.ts'
import { findChromium, openChromium } from '../../support/chromium.ts'
import { direct } from '../../support/direct.ts'
import { findPsql } from '../../support/psql.ts'
import { startStack, type Stack } from '../../support/stack.ts'
import { receive, type Receiver } from '../../support/webhook-receiver.ts'

const chromium = findChromium()
const psql = findPsql()

/** A statement under way in a real psql. */
interface Asking {
  readonly ended: Promise<{ readonly stdout: string; readonly stderr: string }>
}

/** An agent's statement, held; the bank's people in a real browser. */
describe.skipIf(chromium === null || psql === null)('the console', () => {
  let stack: Stack
  let browser: Browser

  let receiver: Receiver

  beforeAll(async () => {
    receiver = await receive()
    const home = await mkdtemp(join(tmpdir(), 'countersign-webhook-'))
    const secret = { file: join(home, 'secret') }
    await writeFile(secret.file, `whsec_${Buffer.alloc(32, 9).toString('base64')}`)
    const webhooks = [{ name: 'chat', url: receiver.url.href, secret, private_network: true }]
    ;[stack, browser] = await Promise.all([startStack({ webhooks }), openChromium(chromium ?? '')])
    await rm(home, { recursive: true })
  })
  afterAll(async () => {
    await browser?.close()
    await stack?.stop()
    receiver?.close()
  })

  function ask(mark: string, amount: string): Asking {
    const sql = `INSERT INTO transfers (from_account, to_account, amount, status) VALUES (10, 20, ${amount}, '${mark}') RETURNING status`
    const child = spawn('psql', ['-X', '-A', '-t', '-c', sql], { env: { ...process.env, ...stack.line.env } })
    const told = { stdout: '', stderr: '' }
    child.stdout.on('data', (text: Buffer) => (told.stdout += text.toString()))
    child.stderr.on('data', (text: Buffer) => (told.stderr += text.toString()))
    return { ended: once(child, 'close').then(() => told) }
  }

  interface SignedIn extends AsyncDisposable {
    readonly page: Page
    readonly context: BrowserContext
    /** What the browser complained of. */
    readonly complaints: string[]
  }

  async function signIn(name: string, path = '/console/approvals'): Promise<SignedIn> {
    const context = await browser.newContext({ reducedMotion: 'reduce', viewport: { width: 1280, height: 900 } })
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('console', (message) => {
      const { url } = message.location()
      const isOurs = url.startsWith(stack.line.console) && !url.endsWith('/v1/me') // 401 is how a page learns that nobody is
      if (message.type() === 'error' && isOurs) complaints.push(`${url} ${message.text()}`)
    })
    await page.goto(`${stack.line.console}${path}`)
    await page.getByRole('link', { name: 'Sign in' }).click()
    await page.getByLabel('User name').fill(name)
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.waitForURL(`${stack.line.console}${path}`)
    return { page, context, complaints, [Symbol.asyncDispose]: () => context.close() }
  }

  const transfersMarked = async (mark: string): Promise<number> =>
    (await direct(stack, `SELECT id FROM transfers WHERE status = '${mark}'`)).length

  test('a held statement is answered by a person who sees what it writes, and psql gets its row', async () => {
    await using ann = await signIn('ann')
    const { page } = ann
    await page.getByText('Nothing waits for anybody').waitFor()
    const asking = ask('console-yes', '250000.00')
    await page.getByRole('link', { name: /insert into public\.transfers/ }).click() // it appears by itself
    await page.getByRole('heading', { name: 'insert into public.transfers' }).waitFor()
    const said = await page.getByRole('main').innerText()
    for (const part of ['reconciler', 'agent of olivia', '250000', 'console-yes', 'INSERT INTO transfers', 'hold']) {
      expect(said).toContain(part)
    }
    await page.getByRole('button', { name: 'Approve' }).click()
    await page.getByText('Policy asks for a reason').waitFor()
    expect(await transfersMarked('console-yes')).toBe(0)
    await page.getByLabel('Reason (needed)').fill('invoice 4711, checked by phone')
    await page.getByRole('button', { name: 'Approve' }).click()
    await page.getByText('Approved. What waited goes on, once.').waitFor()
    const { stdout, stderr } = await asking.ended
    expect(stdout).toContain('console-yes')
    expect(stderr).toMatch(/held for approval/)
    expect(await transfersMarked('console-yes')).toBe(1)
    await page.getByText('approved and done').first().waitFor()
    expect(ann.complaints).toEqual([])
  })

  test('a denial reaches psql with its reason', async () => {
    await using ben = await signIn('ben')
    const asking = ask('console-no', '250001.00')
    await ben.page.getByRole('link', { name: /250001/ }).click()
    await ben.page.getByLabel('Reason (needed)').fill('no invoice of that amount')
    await ben.page.getByRole('button', { name: 'Deny' }).click()
    await ben.page.getByText('Denied. The client is told').waitFor()
    expect((await asking.ended).stderr).toContain('no invoice of that amount')
    expect(await transfersMarked('console-no')).toBe(0)
  })

  test('the agent’s owner sees nothing of it, an auditor sees it and can’t answer', async () => {
    const asking = ask('console-others', '250002.00')
    await using ann = await signIn('ann')
    await ann.page.getByRole('link', { name: /250002/ }).click()
    const path = new URL(ann.page.url()).pathname
    await using olivia = await signIn('olivia', path)
    await olivia.page.getByText('it is not yours to see').waitFor()
    await using axel = await signIn('axel', path)
    await axel.page.getByText('Only members of payments can answer this').waitFor()
    expect(await axel.page.getByRole('button', { name: 'Approve' }).count()).toBe(0)
    await ann.page.getByLabel('Reason (needed)').fill('enough')
    await ann.page.getByRole('button', { name: 'Deny' }).click()
    await asking.ended
  })

  test('a link out of a message leads through sign-in to what it is about, once', async () => {
    const seen = new Set(receiver.got.map(({ body }) => body))
    const asking = ask('console-link', '250003.00')
    const told = (): string | undefined =>
      receiver.got.map(({ body }) => body).find((body) => /requested/.test(body) && !seen.has(body))
    await expect.poll(told).toBeDefined()
    const message: unknown = JSON.parse(told() ?? '{}')
    const link = String(Object(Object(message).data).link)
    const context = await browser.newContext({ reducedMotion: 'reduce' })
    const page = await context.newPage()
    await page.goto(link)
    await page.getByLabel('User name').fill('ann')
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.waitForURL(/\/console\/approvals\/[\w-]+$/)
    await page.getByText('250003').first().waitFor()
    await page.getByLabel('Reason (needed)').fill('not today')
    await page.getByRole('button', { name: 'Deny' }).click()
    expect((await asking.ended).stderr).toContain('not today')
    await page.goto(link)
    await page.getByRole('heading', { name: 'This link leads nowhere any more' }).waitFor()
    await context.close()
  })

  test('a change that does not come from the page itself is refused, whatever cookie it brings', async () => {
    await using ann = await signIn('ann')
    const cookie = (await ann.context.cookies(stack.line.api)).find(({ name }) => name === 'countersign')
    const headers = { cookie: `${cookie?.name}=${cookie?.value}`, 'content-type': 'application/json' }
    const post = (more: Record<string, string>): Promise<Response> =>
      fetch(`${stack.line.api}/v1/approvals/none/approve`, {
        method: 'POST',
        headers: { ...headers, ...more },
        body: '{}',
      })
    const me: unknown = await (await fetch(`${stack.line.api}/v1/me`, { headers })).json()
    const csrf = String(Reflect.get(Object(me), 'csrf'))
    expect((await post({})).status).toBe(401)
    expect((await post({ 'x-csrf-token': 'x' })).status).toBe(401)
    expect((await post({ 'x-csrf-token': csrf, 'sec-fetch-site': 'cross-site' })).status).toBe(401)
    expect((await post({ 'x-csrf-token': csrf })).status).toBe(404) // it is believed, and there is no such approval
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Lax' })
  })

  test('an agent can’t sign in, nor can an answer of the provider that this browser did not ask for', async () => {
    const context = await browser.newContext()
    const page = await context.newPage()
    await page.goto(`${stack.line.console}/console/sign-in`)
    await page.getByLabel('User name').fill('reconciler')
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByText('The console is for people').waitFor()
    await page.goto(`${stack.line.console}/console/signed-in?code=stolen&state=guessed`)
    await page.getByText('not begun in this browser').waitFor()
    expect((await context.cookies()).map(({ name }) => name)).not.toContain('countersign')
    await context.close()
  })

  test('wide and narrow, light and dark: no serious finding of axe, and nothing that has to be scrolled sideways', async () => {
    const asking = ask('console-looks', '250003.00')
    await using ann = await signIn('ann')
    const { page } = ann
    await page
      .getByRole('link', { name: /250003/ })
      .first()
      .click()
    await page.getByRole('heading', { level: 1 }).waitFor()
    for (const width of [1280, 390]) {
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.setViewportSize({ width, height: 900 })
        await page.emulateMedia({ colorScheme })
        expect(await seriousFindings(page)).toEqual([])
        expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0)
      }
    }
    await page.getByLabel('Reason (needed)').fill('enough')
    await page.getByRole('button', { name: 'Deny' }).click()
    await asking.ended
  })
})
