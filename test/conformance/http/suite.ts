import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canariesIn } from '../../support/canaries.ts'
import { CASES } from './cases.ts'
import { type HttpForm, raw, statusesIn } from './form.ts'
import { SMUGGLING } from './smuggling.ts'

/** What a client sees of an answer: its status, and all of it as one text. */
interface Seen {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** What is asked for, beyond a path. */
interface Asked {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** The connection ended without an answer: how a form refuses what its parser doesn't take. */
const CLOSED = { status: 'closed', text: '' } as const

/** The same cases and the same answers for every form of the plane. */
export function httpSuite(start: () => Promise<HttpForm>): void {
  let form: HttpForm
  beforeAll(async () => {
    form = await start()
  })
  afterAll(() => form?.stop())

  const ask = async (path: string, { method = 'GET', headers = {}, body }: Asked = {}): Promise<Seen> => {
    const asked = {
      method,
      headers: { authorization: `Bearer ${form.token}`, ...headers },
      redirect: 'manual',
    } as const
    const answer = await fetch(`${form.url}${path}`, body === undefined ? asked : { ...asked, body })
    const lines = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join('\n')
    return { status: answer.status, headers: answer.headers, text: `${lines}\n\n${await answer.text()}` }
  }

  describe('one request, one answer', () => {
    test.each(CASES.map((one) => [one.name, one] as const))('%s', async (_name, one) => {
      const before = form.seen.length
      const expected = form.name === 'envoy' ? (one.envoy?.status ?? one.status) : one.status
      const { status, text } =
        one.method === 'TRACE' ? await traced(form) : await ask(one.path, one).catch(() => CLOSED)
      expect(status).toBe(expected)
      for (const part of (status !== 'closed' && one.has) || []) expect(text).toContain(part)
      for (const part of one.hasNot ?? []) expect(text).not.toContain(part)
      expect(canariesIn(Buffer.from(text)).filter((canary) => canary.startsWith('900-'))).toEqual([])
      expect(form.seen.length > before).toBe(one.reaches)
    })
  })

  describe('what could be read in two ways', () => {
    test.each(SMUGGLING.map((one) => [one.name, one] as const))(
      '%s',
      async (_name, { bytes, statuses, honest, envoy = [] }) => {
        const answer = await raw(
          form,
          Buffer.from(bytes.replaceAll('TOKEN', form.token), 'latin1'),
          honest ? 10_000 : 300,
        )
        expect(statusesIn(answer)[0] === 200 || !honest).toBe(true)
        for (const status of statusesIn(answer))
          expect(form.name === 'envoy' ? [...statuses, ...envoy] : statuses).toContain(status)
        expect(form.seen.filter(({ target }) => /admin/i.test(decodeURIComponent(target)))).toEqual([])
      },
    )

    test('nothing has come to the bank that was not decided in just these words', () => {
      const decided = form.forwarded()
      expect(form.seen.map(({ target }) => target).filter((target) => !decided.includes(target))).toEqual([])
    })
  })

  describe('who asks', () => {
    test.each([
      ['nobody', {}],
      ['somebody with a password', { authorization: 'Basic YTpi' }],
      ['a token of nobody’s', { authorization: 'Bearer x.y.z' }],
    ])('%s is sent away', async (_who, headers) => {
      const before = form.seen.length
      const answer = await fetch(`${form.url}/customers/1`, { headers })
      expect(answer.status).toBe(401)
      expect(answer.headers.get('www-authenticate')).toContain('Bearer')
      expect(form.seen.length).toBe(before)
    })
  })

  test('a held request runs once when it is approved, however often it is sent', async () => {
    const key = { 'idempotency-key': 'k1' }
    const held = await ask('/held/2', { headers: key })
    expect(held.status).toBe(409)
    const approval = held.headers.get('x-approval-id') ?? ''
    expect((await ask('/held/2', { headers: key })).headers.get('x-approval-id')).toBe(approval)
    expect((await ask('/held/2', { headers: { 'idempotency-key': 'k2' } })).headers.get('x-approval-id')).not.toBe(
      approval,
    )
    expect(await form.approve(approval)).toBe(200)
    const answers = await Promise.all([1, 2, 3].map(() => ask('/held/2', { headers: key })))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(new Set(answers.map(({ text }) => text.split('\n\n')[1])).size).toBe(1)
    expect(form.seen.filter(({ target }) => target === '/held/2')).toHaveLength(1)
  })
}

/** fetch knows better than to send it. */
async function traced(form: HttpForm): Promise<{ readonly status: number; readonly text: string }> {
  const text = await raw(
    form,
    `TRACE /echo HTTP/1.1\r\nHost: bank.example\r\nAuthorization: Bearer ${form.token}\r\nConnection: close\r\n\r\n`,
    10_000,
  )
  return { status: statusesIn(text)[0] ?? 0, text }
}
