import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { countersign, type ChildResult } from '../../support/child.ts'
import { findChromium, openChromium } from '../../support/chromium.ts'
import { copyEvidence, playSession, type RecordedEvidence } from '../../support/replay-session.ts'
import { startStack, type Stack } from '../../support/stack.ts'

const chromium = findChromium()
/** Runs in the page: every visible text whose colour is too near that of what lies behind it. */
const TOO_FAINT = new URL('too-faint.js', import.meta.url)

async function onlySession(evidence: string): Promise<string> {
  const listed = await countersign(['replay', evidence, '--json'])
  const [only]: { readonly session: string }[] = JSON.parse(listed.stdout)
  return only?.session ?? 'none'
}

const verdict = (page: Page): Promise<string | null> => page.locator('.strip .verdict').textContent()

/** The strip's lights, by name. */
async function lights(page: Page): Promise<Readonly<Record<string, string>>> {
  await page.waitForSelector('.strip li')
  const all = await page.locator('.strip li').all()
  const pairs = all.map(async (item) => [(await item.innerText()).trim(), (await item.getAttribute('class')) ?? ''])
  return Object.fromEntries(await Promise.all(pairs))
}

/** One real session, replayed by the real program into one page, looked at with a real browser. */
describe.skipIf(chromium === null)('a session’s page', () => {
  let directory: string
  let recorded: RecordedEvidence
  let browser: Browser
  let html: string
  let key: string
  let session: string
  /** What the terminal showed of it while the gateway ran. */
  let seen: ChildResult

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'countersign-replay-'))
    const stack = await startStack()
    try {
      await playSession(stack)
      await look(stack)
      recorded = await copyEvidence(stack, directory)
    } finally {
      await stack.stop()
    }
    session = await onlySession(recorded.evidence)
    key = (await readFile(recorded.logKey, 'utf8')).trim()
    const file = join(directory, 'replay.html')
    const made = await countersign(['replay', recorded.evidence, '--session', session, '--html', file])
    if (made.status !== 0) throw new Error(made.stderr)
    html = await readFile(file, 'utf8')
    browser = await openChromium(chromium ?? '')
  })

  afterAll(async () => {
    await browser?.close()
    await rm(directory, { recursive: true, force: true })
  })

  /** Somebody looks at it while the gateway runs. */
  async function look({ evidence, line }: Stack): Promise<void> {
    const asked = ['--session', await onlySession(evidence), '--reason', 'examination 12']
    seen = await countersign(['replay', '--config', line.config, ...asked])
  }

  interface Opened extends AsyncDisposable {
    readonly page: Page
    /** What the browser complained of, and what was asked of a network. */
    readonly complaints: string[]
  }

  async function open(text = html, address = ''): Promise<Opened> {
    const path = join(directory, `page-${Math.random().toString(36).slice(2)}.html`)
    await writeFile(path, text)
    const context = await browser.newContext({ reducedMotion: 'reduce' })
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('console', (message) => complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('request', (request) => {
      if (!request.url().startsWith('file:')) complaints.push(request.url())
    })
    await page.goto(`${pathToFileURL(path).href}${address}`)
    return { page, complaints, [Symbol.asyncDispose]: () => context.close() }
  }

  test('is green by the key that its reader brings, and asks nothing of a network', async () => {
    await using opened = await open()
    const { page, complaints } = opened
    expect(await lights(page)).toMatchObject({
      Bytes: 'ok',
      Payloads: 'ok',
      Recording: 'ok',
      Complete: 'ok',
      'In the log': 'ok',
      Signature: 'unchecked',
    })
    await page.getByLabel('Public keys that you hold').fill(key)
    await page.getByRole('button', { name: 'Check with these keys' }).click()
    await page.waitForSelector('.strip.ok')
    expect(await verdict(page)).toBe('This evidence holds')
    expect(complaints).toEqual([])
  })

  test('takes the key from its address as well', async () => {
    await using opened = await open(html, `?key=${encodeURIComponent(key)}`)
    await opened.page.waitForSelector('.strip.ok')
    expect(await lights(opened.page)).toMatchObject({ Signature: 'ok', Witness: 'absent' })
  })

  test.each([
    ['a value that came back', '1000.10', '1000.11', 'Bytes'],
    ['a verdict', String.raw`\"verdict\":\"reject\"`, String.raw`\"verdict\":\"rejecT\"`, 'Bytes'],
    ['who approved', String.raw`\"by\":\"ann\"`, String.raw`\"by\":\"ben\"`, 'Bytes'],
    ['the root that was signed', 'stack.example/log\\n', 'stack.example/log\\n1', 'In the log'],
  ])('is red when one thing in it was changed: %s', async (_name, from, to, light) => {
    expect(html).toContain(from)
    await using opened = await open(html.replace(from, to), `?key=${encodeURIComponent(key)}`)
    await opened.page.waitForSelector('.strip.bad')
    expect(await verdict(opened.page)).toBe('This evidence does not hold')
    expect(await lights(opened.page)).toMatchObject({ [light]: 'bad' })
    expect(opened.complaints).toEqual([])
  })

  test('says in the step itself that it was changed', async () => {
    await using opened = await open(html.replace('1000.10', '9000.10'))
    await opened.page.waitForSelector('#step-1 .fault')
    expect(await opened.page.locator('.fault').count()).toBe(1)
  })

  test('is red by another log’s key', async () => {
    const made = await countersign(['evidence', 'key', 'stack.example/log', '--out', join(directory, 'other.key')])
    await using opened = await open(html, `?key=${encodeURIComponent(made.stdout.trim())}`)
    await opened.page.waitForSelector('.strip.bad')
    expect(await lights(opened.page)).toMatchObject({ Signature: 'bad', 'In the log': 'ok' })
  })

  test('cut short says that it can’t be read', async () => {
    await using opened = await open(html.replace('{"evidence":{"format":1', '{"evidence":{"format":2'))
    expect(await opened.page.getByRole('alert').textContent()).toContain('holds no evidence that can be read')
  })

  test('runs no script but its own', async () => {
    const added = html.replace(
      '</body>',
      '<script>document.title = "owned"</script><p style="color:red" onclick="x()">x</p></body>',
    )
    await using opened = await open(added)
    await opened.page.waitForSelector('.strip li')
    expect(await opened.page.title()).not.toBe('owned')
    expect(opened.complaints.join('\n')).toMatch(/Content Security Policy/)
  })

  test('tells who, under which rules, what, and what the agent saw', async () => {
    await using opened = await open()
    const { page } = opened
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('reconciler')
    expect(await page.locator('.counts').innerText()).toMatch(
      /6\s+statements\s+2\s+rejected\s+1\s+masked\s+1\s+held\s+1\s+approved/,
    )
    const masked = page.locator('#step-2')
    expect(await masked.locator('thead').first().innerText()).toMatch(
      /name\s+ssn\s*last4\s+email\s*email\s+phone\s*last4\s+dob\s*date-year/,
    )
    expect(await masked.locator('tbody').first().innerText()).toContain('*******1111')
    expect(await page.locator('#step-4').innerText()).toMatch(
      /DELETE FROM transfers[^]*reject-destructive[^]*nothing reached the server/,
    )
    expect(await page.locator('#step-6').innerText()).toMatch(
      /approved, and used once[^]*ann approved[^]*invoice 4711, checked by phone/,
    )
    expect(await page.locator('#controls').innerText()).toContain('IS.II.C.10')
  })

  test('that somebody looked at it before is in it', async () => {
    expect(seen).toMatchObject({ status: 0, stderr: '' })
    expect(seen.stdout).toContain('DELETE FROM transfers')
    await using opened = await open()
    const looked = await opened.page.locator('#viewings tbody').innerText()
    expect(looked).toContain(`replay.viewed\t${userInfo().username}\texamination 12`)
  })

  test('is gone through by keys, buttons and filters', async () => {
    await using opened = await open()
    const { page } = opened
    const current = (): Promise<string | null> => page.locator('.step[aria-current]').getAttribute('id')
    await page.keyboard.press('j')
    expect(await current()).toBe('step-1')
    await page.keyboard.press('m')
    expect(await current()).toBe('step-2')
    await page.keyboard.press('r')
    await page.keyboard.press('r')
    expect(await current()).toBe('step-4')
    expect(page.url()).toMatch(/#step-4$/)
    await page.getByRole('button', { name: 'Next approved' }).click()
    expect(await current()).toBe('step-6')
    await page.getByLabel('rejected', { exact: true }).check()
    expect(await page.locator('.step:visible').count()).toBe(2)
    await page.getByLabel('Find in statements').fill('transfers')
    expect(await page.locator('.step:visible').count()).toBe(1)
    await page.getByLabel('Find in statements').fill('nothing is like this')
    expect(await page.getByText('No step is like that.').isVisible()).toBe(true)
  })

  test('keys are text where text is asked for, and off when they are turned off', async () => {
    await using opened = await open()
    const { page } = opened
    await page.getByLabel('Find in statements').fill('')
    await page.getByLabel('Find in statements').press('j')
    expect(await page.locator('.step[aria-current]').count()).toBe(0)
    await page.getByLabel('Find in statements').fill('')
    await page.getByLabel('Keys', { exact: true }).uncheck()
    await page.keyboard.press('j')
    expect(await page.locator('.step[aria-current]').count()).toBe(0)
  })

  test('plays, and stops at the end', async () => {
    await using opened = await open()
    const { page } = opened
    await page.getByLabel('Speed').selectOption('60')
    await page.getByRole('button', { name: 'Play' }).click()
    await page.waitForSelector('#step-6[aria-current]')
    await page.getByRole('button', { name: 'Play' }).waitFor()
    expect(await page.locator('.place').textContent()).toBe('6 of 6')
  })

  test('opens at the step that its address names', async () => {
    await using opened = await open(html, '#step-4')
    await opened.page.waitForSelector('#step-4[aria-current]')
    expect(
      await opened.page.evaluate("document.querySelector('#step-4').getBoundingClientRect().top < innerHeight"),
    ).toBe(true)
  })

  test.each(['light', 'dark'] as const)('has contrast enough for everybody (WCAG 2.2 AA), %s', async (colorScheme) => {
    await using opened = await open(html, `?key=${encodeURIComponent(key)}`)
    const { page } = opened
    await page.emulateMedia({ colorScheme })
    await page.waitForSelector('.strip.ok')
    expect(await page.evaluate(await readFile(TOO_FAINT, 'utf8'))).toEqual([])
  })

  test('fits a narrow screen: only tables scroll sideways', async () => {
    await using opened = await open()
    await opened.page.setViewportSize({ width: 320, height: 640 })
    expect(await opened.page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(320)
  })

  test('is small', () => {
    const [script = ''] = /<script>[^]*<\/script>/.exec(html) ?? []
    const [style = ''] = /<style>[^]*?<\/style>/.exec(html) ?? []
    expect(script.length + style.length).toBeLessThan(100_000)
  })
})
