import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writeChangedBundle } from '../../support/changed-bundle.ts'
import { findChromium, openChromium } from '../../support/chromium.ts'
import { countersignHere } from '../../support/command.ts'
import { direct } from '../../support/direct.ts'
import { findPsql } from '../../support/psql.ts'
import { startStack, type Stack } from '../../support/stack.ts'

const chromium = findChromium()
const psql = findPsql()
/** Long enough for two people to answer on a busy machine, short enough to see it run out. */
const EXPIRES_IN = 45

/** A real psql, and the bank's people, each in a browser of their own, with estimates on and little time to answer. */
describe.skipIf(chromium === null || psql === null)('people and psql', () => {
  let stack: Stack
  let browser: Browser
  let directory: string

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'countersign-people-'))
    const policy = join(directory, 'quick.tar.gz')
    await writeChangedBundle('starter', policy, (data) => ({
      ...data,
      transfers: { ...Object(data['transfers']), expires_in: EXPIRES_IN },
    }))
    ;[stack, browser] = await Promise.all([
      startStack({ policy, plane: { estimates: true } }),
      openChromium(chromium ?? ''),
    ])
  })
  afterAll(async () => {
    await browser?.close()
    await stack?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  interface SignedIn extends AsyncDisposable {
    readonly page: Page
    readonly context: BrowserContext
  }

  async function signIn(name: string, path: string): Promise<SignedIn> {
    const context = await browser.newContext({ reducedMotion: 'reduce', viewport: { width: 1280, height: 900 } })
    const page = await context.newPage()
    await page.goto(`${stack.line.console}${path}`)
    await page.getByRole('link', { name: 'Sign in' }).click()
    await page.getByLabel('User name').fill(name)
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.waitForURL(`${stack.line.console}${path}`)
    return { page, context, [Symbol.asyncDispose]: () => context.close() }
  }

  function ask(mark: string, amount: string): Promise<{ readonly stdout: string; readonly stderr: string }> {
    const sql = `INSERT INTO transfers (from_account, to_account, amount, status) VALUES (10, 20, ${amount}, '${mark}') RETURNING status`
    const child = spawn('psql', ['-X', '-A', '-t', '-c', sql], { env: { ...process.env, ...stack.line.env } })
    const told = { stdout: '', stderr: '' }
    child.stdout.on('data', (text: Buffer) => (told.stdout += text.toString()))
    child.stderr.on('data', (text: Buffer) => (told.stderr += text.toString()))
    return once(child, 'close').then(() => told)
  }

  const transfersMarked = async (mark: string): Promise<number> =>
    (await direct(stack, `SELECT id FROM transfers WHERE status = '${mark}'`)).length

  test('two of two people see values, tables, estimate and rule, and only the second yes has psql get its row', async () => {
    await using ann = await signIn('ann', '/console/approvals')
    const asking = ask('two-of-two', '1200000.00')
    await ann.page.getByRole('link', { name: /1200000/ }).click()
    await ann.page.getByRole('heading', { level: 1 }).waitFor()
    const said = await ann.page.getByRole('main').innerText()
    for (const part of [
      '1200000.00',
      'two-of-two',
      'public.transfers.amount',
      'by the server’s own estimate',
      'hold-transfer',
      '0 of 2 people',
    ]) {
      expect(said).toContain(part)
    }
    await using ben = await signIn('ben', new URL(ann.page.url()).pathname)
    await ann.page.getByLabel('Reason (needed)').fill('invoice 4711')
    await ann.page.getByRole('button', { name: 'Approve' }).click()
    await ann.page.getByText('1 of 2 people').waitFor()
    expect(await transfersMarked('two-of-two')).toBe(0)
    expect(await ann.page.getByRole('button', { name: 'Approve' }).count()).toBe(0)
    await ben.page.getByLabel('Reason (needed)').fill('seen too')
    await ben.page.getByRole('button', { name: 'Approve' }).click()
    expect((await asking).stdout).toContain('two-of-two')
    expect(await transfersMarked('two-of-two')).toBe(1)
  })

  test('nobody answers: the page and psql are told, and a yes after that is too late', async () => {
    await using ann = await signIn('ann', '/console/approvals')
    const asking = ask('ran-out', '7.00')
    await ann.page.getByRole('link', { name: /7\.00/ }).first().click()
    await ann.page.getByRole('heading', { level: 1 }).waitFor()
    const id = new URL(ann.page.url()).pathname.split('/').at(-1) ?? ''
    expect((await asking).stderr).toContain('nobody answered in time')
    await ann.page
      .getByText(/expired/i)
      .first()
      .waitFor()
    expect(await ann.page.getByRole('button', { name: 'Approve' }).count()).toBe(0)
    const env = { COUNTERSIGN_API: stack.line.api, COUNTERSIGN_TOKEN: stack.line.principals.approver.token }
    const late = await countersignHere(['approvals', 'approve', id, '--reason', 'late'], { env })
    expect(late).toMatchObject({ status: 1, stderr: expect.stringContaining('ERR_APPROVAL_EXPIRED') })
    expect(await transfersMarked('ran-out')).toBe(0)
  })
})
