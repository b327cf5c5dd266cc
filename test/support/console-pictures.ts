import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { findChromium, openChromium } from './chromium.ts'
import { startStack } from './stack.ts'

/** `node test/support/console-pictures.ts DIRECTORY`: every page, light and dark, wide and narrow, from a running gateway. */
const directory = process.argv[2] ?? 'console-pictures'
mkdirSync(directory, { recursive: true })
await using opened = new AsyncDisposableStack()
const stack = await startStack()
opened.defer(() => stack.stop())
const browser = await openChromium(findChromium() ?? 'chromium')
opened.defer(() => browser.close())

const transfers = [
  ['250000.00', 'invoice 4711'],
  ['1200000.00', 'invoice 4712'],
  ['1800.00', 'rent november'],
] as const
for (const [amount, status] of transfers) {
  const sql = `INSERT INTO transfers (from_account, to_account, amount, status) VALUES (10, 20, ${amount}, '${status}')`
  const psql = spawn('psql', ['-X', '-c', sql], { env: { ...process.env, ...stack.line.env }, stdio: 'ignore' })
  opened.defer(() => void psql.kill())
}

for (const width of [1280, 390]) {
  for (const colorScheme of ['light', 'dark'] as const) {
    const height = width === 390 ? 844 : 900
    const context = await browser.newContext({ viewport: { width, height }, colorScheme })
    const page = await context.newPage()
    const picture = (name: string): Promise<Buffer> =>
      page.screenshot({ path: join(directory, `${name}-${width}-${colorScheme}.png`) })
    await page.goto(`${stack.line.console}/console/approvals`)
    const signIn = page.getByRole('link', { name: 'Sign in' })
    await signIn.waitFor()
    await picture('sign-in')
    await signIn.click()
    await page.getByLabel('User name').fill('ann')
    await page.getByRole('button', { name: 'Continue' }).click()
    for (const [amount] of transfers) await page.getByRole('link', { name: amount }).waitFor()
    await picture('approvals')
    await page.getByRole('link', { name: '1200000.00' }).click()
    await page.getByLabel('Reason (needed)').waitFor()
    await picture('approval')
    await context.close()
  }
}
