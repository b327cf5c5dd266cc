import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { findChromium, openChromium } from '../../support/chromium.ts'
import { FormBrowser } from '../../support/form-browser.ts'
import { openIdentityDoors, type IdentityDoors } from '../../support/identity-doors.ts'
import type { AssertionFacts } from '../../support/saml-provider.ts'

let doors: IdentityDoors
beforeAll(async () => {
  doors = await openIdentityDoors()
})
afterAll(() => doors?.[Symbol.asyncDispose]())
beforeEach(() => {
  doors.samlPage.answer = { nameId: 'axel', attributes: { groups: ['auditors'], kind: ['person'] } }
})

const start = (): string => `${doors.api}/console/sign-in?return=/console/sessions`

/** Signs in without a screen; what the last page says. */
const walk = (browser = new FormBrowser()): Promise<string> => browser.walk(start(), {})

const chromium = findChromium()

describe.skipIf(chromium === null)('in a real browser', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await openChromium(chromium ?? '')
  })
  afterAll(() => browser?.close())

  test('somebody is sent to the provider, comes back with its answer, and is where they wanted to go', async () => {
    const page = await browser.newPage()
    await page.goto(`${doors.api}/console/sessions`)
    await page.getByRole('link', { name: 'Sign in' }).click()
    await page.waitForURL(`${doors.api}/console/sessions`)
    await page.getByRole('heading', { level: 1, name: 'Sessions' }).waitFor()
    expect(await page.evaluate(async () => (await fetch('/v1/me')).json())).toMatchObject({ id: 'axel' })
    const cookies = await page.context().cookies()
    expect(cookies.map(({ name, httpOnly }) => [name, httpOnly])).toEqual([['countersign', true]])
    expect((await doors.records()).at(-1)).toMatchObject({
      event: 'identity.verified',
      principal: 'axel',
      plane: 'api',
    })
  })
})

const answerWith = (facts: Partial<AssertionFacts>): void => {
  doors.samlPage.answer = facts
}

describe('an answer is good in the browser that asked, for its request, and once', () => {
  const refused = expect.stringContaining('You are not signed in')

  test('and not without a request', async () => {
    answerWith({ confirmationAttributes: '' })
    expect(await walk()).toEqual(refused)
    expect((await doors.records()).at(-1)).toMatchObject({ event: 'identity.rejected', code: 'ERR_IDENTITY_ASSERTION' })
  })

  test('and not to another request', async () => {
    answerWith({ confirmationAttributes: ' InResponseTo="_another"' })
    expect(await walk()).toEqual(refused)
  })

  test('and not sent where assertions for token exchange go', async () => {
    answerWith({ recipient: doors.saml.provider.recipient })
    expect(await walk()).toEqual(refused)
    expect((await doors.records()).at(-1)).toMatchObject({ code: 'ERR_IDENTITY_RECIPIENT' })
  })

  test('and not for what is no person', async () => {
    answerWith({ nameId: 'reconciler', attributes: { groups: ['auditors'], kind: ['agent'] } })
    expect(await walk()).toEqual(refused)
  })

  test('and not in a browser that has begun nothing, though it is right', async () => {
    doors.samlPage.answer = async (asked) => {
      const SAMLResponse = await doors.samlPage.respond(asked, { nameId: 'axel' })
      const stolen = await fetch(asked.answerTo, { method: 'POST', body: new URLSearchParams({ SAMLResponse }) })
      expect([stolen.status, stolen.headers.getSetCookie().some((line) => /countersign=\w/.test(line))]).toEqual([
        403,
        false,
      ])
      return SAMLResponse
    }
    expect(await walk()).not.toEqual(refused) // and was not spent by that
  })

  test('and not twice', async () => {
    const browser = new FormBrowser()
    let first = ''
    doors.samlPage.answer = async (asked) => (first ||= await doors.samlPage.respond(asked))
    expect(await walk(browser)).not.toEqual(refused)
    expect(await walk(browser)).toEqual(refused)
  })

  test('and is no token', async () => {
    doors.samlPage.answer = async (asked) => {
      const response = await doors.samlPage.respond(asked)
      const form = { subject_token: response, subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' }
      expect(await doors.exchange(form)).toBe('ERR_IDENTITY_RECIPIENT')
      return response
    }
    expect(await walk()).not.toEqual(refused)
  })
})
