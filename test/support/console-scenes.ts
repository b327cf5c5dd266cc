import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { dirname } from 'node:path'
import type { BrowserContext, Page } from 'playwright-core'
import { signForStack } from './stack-config.ts'
import type { Stack } from './stack.ts'

/** A page with something on it, as whom one sees it, and when it is all there. */
export interface Scene {
  readonly name: string
  readonly as: string
  readonly path: string
  readonly look: (page: Page) => Promise<void>
}

const heading =
  (text: string | RegExp) =>
  async (page: Page): Promise<void> =>
    page.getByRole('heading', { name: text, level: 1 }).waitFor()

/** Every page of the console, in the order of its menu. */
export const PICTURED: readonly Scene[] = [
  {
    name: 'approvals',
    as: 'ann',
    path: '/console/approvals',
    look: async (page) => page.getByRole('link', { name: /1200000/ }).waitFor(),
  },
  {
    name: 'approval',
    as: 'ann',
    path: '/console/approvals',
    look: async (page) => {
      await page.getByRole('link', { name: /1200000/ }).click()
      await page.getByLabel('Reason (needed)').waitFor()
    },
  },
  {
    name: 'grants',
    as: 'ann',
    path: '/console/grants',
    look: heading('Grants'),
  },
  {
    name: 'decisions',
    as: 'axel',
    path: '/console/decisions',
    look: async (page) => page.locator('.rows li').nth(5).waitFor(),
  },
  {
    name: 'decision',
    as: 'axel',
    path: '/console/decisions?verdict=mask',
    look: async (page) => {
      await page.locator('.rows a').first().click()
      await page.getByRole('heading', { name: 'What happened' }).waitFor()
      await page.getByRole('button', { name: 'Show what was sent' }).click()
      await page.locator('.sent').first().waitFor()
    },
  },
  {
    name: 'sessions',
    as: 'axel',
    path: '/console/sessions',
    look: async (page) => page.locator('.rows li').nth(3).waitFor(),
  },
  {
    name: 'replay',
    as: 'axel',
    path: '/console/sessions?state=ended',
    look: async (page) => {
      await page.locator('.rows a', { hasText: 'masked' }).first().click()
      await page.getByRole('button', { name: 'Replay it' }).click()
      await page.getByRole('heading', { name: 'Timeline' }).waitFor()
      await page
        .getByText(/Holds|holds/)
        .first()
        .waitFor()
    },
  },
  {
    name: 'controls',
    as: 'axel',
    path: '/console/controls',
    look: async (page) => page.locator('.rows li').nth(3).waitFor(),
  },
  {
    name: 'control',
    as: 'axel',
    path: '/console/controls/IS.II.C.18',
    look: async (page) => page.getByRole('heading', { name: 'Newest records' }).waitFor(),
  },
  {
    name: 'exports',
    as: 'axel',
    path: '/console/exports',
    look: async (page) => {
      if ((await page.getByText('ready').count()) === 0) {
        await page.getByLabel('What it is for').fill('quarterly sample, access to customer data')
        await page.getByRole('button', { name: 'Make the bundle' }).click()
      }
      await page.getByRole('link', { name: 'Download' }).first().waitFor()
    },
  },
  {
    name: 'policy',
    as: 'olga',
    path: '/console/policy',
    look: async (page) => page.getByRole('heading', { name: 'How it came to be' }).waitFor(),
  },
  {
    name: 'candidate',
    as: 'rita',
    path: '/console/policy',
    look: async (page) => {
      await page.getByRole('link', { name: /allow-all/ }).click()
      await page.getByRole('heading', { name: 'What it changes' }).waitFor()
    },
  },
  {
    name: 'agents',
    as: 'oscar',
    path: '/console/agents',
    look: async (page) => page.locator('.agent').first().waitFor(),
  },
  {
    name: 'system',
    as: 'oscar',
    path: '/console/system',
    look: async (page) => page.getByRole('heading', { name: 'Decisions by day' }).waitFor(),
  },
]

const STATEMENTS: readonly (readonly string[])[] = [
  ['SELECT id, amount, status FROM transfers ORDER BY id LIMIT 5'],
  ['SELECT name, ssn, email FROM customers LIMIT 3', 'SELECT count(*) FROM accounts', 'DROP TABLE transfers'],
  ["SELECT id FROM customers WHERE ssn = '123-45-6789'"],
  ['SELECT upper(ssn) FROM customers'],
  ['SELECT a.id, a.balance, c.name FROM accounts a JOIN customers c ON c.id = a.customer_id LIMIT 4', 'SELECT 1'],
  ['DELETE FROM transfers'],
  ['BEGIN', 'SELECT sum(amount) FROM transfers', 'COMMIT'],
]
const HELD = [
  ['250000.00', 'invoice 4711'],
  ['1200000.00', 'invoice 4712'],
  ['1800000.00', 'rent november'],
] as const

/** An agent that did some work, and waits with three statements for people; a session of it stays open. */
export async function agentsAtWork(stack: Stack): Promise<Disposable> {
  for (const session of STATEMENTS) await once(psql(stack, session), 'close')
  await askForAccess(stack)
  await propose(stack)
  const waiting = HELD.map(([amount, status]) =>
    psql(stack, [
      `INSERT INTO transfers (from_account, to_account, amount, status) VALUES (10, 20, ${amount}, '${status}')`,
    ]),
  )
  return { [Symbol.dispose]: () => waiting.forEach((child) => child.kill()) }
}

/** A grant that waits, one that was given, and a break-glass that somebody has to look at. */
async function askForAccess(stack: Stack): Promise<void> {
  const { agent, owner, approver } = stack.line.principals
  const scope = { plane: 'postgres', actions: ['postgres.update'], resources: ['public.transfers'], seconds: 3600 }
  await post(stack, '/v1/grants', agent.token, { ...scope, reason: 'correct the transfers of the failed night run' })
  const given = await post(stack, '/v1/grants', agent.token, { ...scope, reason: 'mark invoice 4711 as settled' })
  await post(stack, `/v1/approvals/${given}/approve`, approver.token, { reason: 'change 2261' })
  const glass = { ...scope, agent: agent.user, reason: 'payments stand still, incident 88', break_glass: true }
  await post(stack, '/v1/grants', owner.token, glass)
}

/** Another policy, for somebody to look at. */
async function propose(stack: Stack): Promise<void> {
  const bundle = await signForStack(dirname(stack.line.config), 'policies/dist/allow-all.tar.gz')
  const authorization = `Bearer ${await stack.identity.personToken('olga')}`
  const headers = { authorization, 'content-type': 'application/gzip' }
  await fetch(`${stack.line.api}/v1/policy/proposals`, { method: 'POST', headers, body: bundle })
}

/** Answers the id of what it made. */
async function post(stack: Stack, path: string, token: string, body: object): Promise<string> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const answer = await fetch(stack.line.api + path, { method: 'POST', headers, body: JSON.stringify(body) })
  const told: unknown = await answer.json()
  if (!answer.ok) throw new Error(`${path}: ${JSON.stringify(told)}`)
  return String(Reflect.get(Object(told), 'id'))
}

function psql(stack: Stack, statements: readonly string[]): ChildProcess {
  const asked = statements.flatMap((statement) => ['-c', statement])
  return spawn('psql', ['-X', ...asked], { env: { ...process.env, ...stack.line.env }, stdio: 'ignore' })
}

/** A page on which somebody is signed in at the bank's identity provider. */
export async function signInAs(context: BrowserContext, stack: Stack, person: string): Promise<Page> {
  const page = await context.newPage()
  await page.goto(`${stack.line.console}/console/approvals`)
  await page.getByRole('link', { name: 'Sign in' }).click()
  await page.getByLabel('User name').fill(person)
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.waitForURL(`${stack.line.console}/console/approvals`)
  return page
}
