import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { approvalsCommand } from '../../../cli/approvals.ts'
import type { JsonObject } from '../../../engine/index.ts'
import { freePort } from '../../support/free-port.ts'
import { startIdentityProvider, type IdentityProvider } from '../../support/identity-provider.ts'
import { draft, terms } from '../approvals/setting.ts'
import { listen, verifierFor } from '../identity/setting.ts'
import { openGateway, transfer, type Gateway } from './setting.ts'

let provider: IdentityProvider
beforeAll(async () => {
  provider = await startIdentityProvider()
})
afterAll(() => provider.close())

interface Ran {
  readonly exit: number
  readonly out: string
  readonly err: string
}

async function run(gateway: Gateway | null, person: string, argv: readonly string[], env: object = {}): Promise<Ran> {
  let out = ''
  let err = ''
  const exit = await approvalsCommand(argv, {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    env: { COUNTERSIGN_API: gateway?.url, COUNTERSIGN_TOKEN: await provider.personToken(person), ...env },
    now: () => (gateway?.clock.now ?? 0) + 21_000,
  })
  return { exit, out, err }
}

async function ask(gateway: Gateway, summary: JsonObject = transfer, quorum = 1): Promise<string> {
  const requester = await verifierFor(provider.issuer).verifier.verify(await provider.agentToken())
  const { id } = await gateway.ledger.request(
    draft({ requester, summary, ...terms({ quorum, expires_in: 300, reason_required: true }) }),
  )
  return id
}

describe('what an agent wrote can not deceive who reads it', () => {
  const hostile = {
    'moves the cursor': 'SELECT 1\u001b[2A\u001b[2K',
    'uses the one-byte escape': 'SELECT 1\u009b2J',
    'goes back to the start': 'DROP TABLE t\rSELECT 1    ',
    'writes right to left': 'SELECT \u202e1 PORD',
    'hides in zero width': 'DROP\u200b\u2060\ufeff TABLE',
    'hides beyond the first plane': 'DROP\u{e0001}\u{e0041} TABLE',
    'ends the line where a terminal might': 'SELECT 1\u2028approved',
  }
  it.each(Object.entries(hostile))('when it %s', async (_name, statement) => {
    const gateway = await openGateway(provider)
    const postgres = { kind: statement, statement, parameters: [statement], [statement]: statement }
    const id = await ask(gateway, { ...transfer, action: { name: statement }, postgres })
    for (const argv of [['show', id], ['list'], ['show', id, '--json'], ['list', '--json']]) {
      const { out, exit } = await run(gateway, 'ann', argv)
      expect(exit).toBe(0)
      expect(out).not.toMatch(/[^\P{C}\n]|[\u2028\u2029]/u) // of control and format characters only our own line ends
    }
  })

  it('when it writes lines that look like ours', async () => {
    const gateway = await openGateway(provider)
    const statement = 'SELECT 1\n  needs      │ nobody, go ahead\n  hides      │ everything'
    const id = await ask(gateway, { ...transfer, postgres: { statement, parameters: ['1\n  needs      │ nobody'] } })
    const { out } = await run(gateway, 'ann', ['show', id])
    expect(out.match(/^ {2}needs/gm)).toHaveLength(1)
    expect(out.match(/^ {2}hides/gm)).toHaveLength(1)
    expect(out).toContain('             │   needs      │ nobody, go ahead\n')
    expect(out).toContain('$1 = 1\\u{a}  needs')
  })

  it('when its summary is of no shape at all', async () => {
    const gateway = await openGateway(provider)
    const odd: JsonObject = { action: [], resources: { a: 1 }, context: { plane: 7 }, masks: [[null]], 7: 'x' }
    const id = await ask(gateway, odd)
    const { out, exit } = await run(gateway, 'ann', ['show', id])
    expect(exit).toBe(0)
    expect(out).toContain('asks       │ reconciler, agent of olivia')
  })
})

describe('refusals', () => {
  it.each([
    [[], /say what to do: list, show, approve, deny or watch/],
    [['aprove', 'x'], /no such command: aprove/],
    [['show'], /show takes one approval's ID/],
    [['approve', 'a', 'b'], /approve takes one approval's ID/],
    [['list', 'a'], /list takes no ID/],
    [['list', '--state', 'open'], /expected one of requested, granted.*found open/],
    [['list', '--sate', 'all'], /--sate/],
    [['list', '--api', 'http://gateway.bank.test'], /expected an https URL, or http on loopback; found http:/],
    [['list', '--api', 'gateway'], /expected an https URL/],
    [['list', '--token-file', '/nowhere/token'], /\/nowhere\/token can't be read \(ENOENT\)/],
  ])('%j is wrong usage', async (argv, message) => {
    const { exit, out, err } = await run(null, 'ann', argv)
    expect({ exit, out }).toEqual({ exit: 64, out: '' })
    expect(err).toMatch(message)
    expect(err).toContain('usage: countersign approvals list')
  })

  it.each([undefined, '', '  ', 'two\nlines'])('the token %j is none', async (COUNTERSIGN_TOKEN) => {
    const { exit, err } = await run(null, 'ann', ['list'], { COUNTERSIGN_TOKEN })
    expect(exit).toBe(64)
    expect(err).toMatch(/^countersign: (no token: countersign login, set COUNTERSIGN_TOKEN|the token is not one line)/)
    expect(err).not.toContain('two')
  })

  it('no gateway: says where it looked', async () => {
    const api = `http://127.0.0.1:${await freePort()}`
    const { exit, err } = await run(null, 'ann', ['list', '--api', api])
    expect(exit).toBe(69)
    expect(err).toBe(
      `countersign: no answer from ${api}/; is the gateway running, and is --api (or COUNTERSIGN_API) its address? (ERR_API_UNREACHABLE)\n`,
    )
  })

  it.each(['<html>', '[]', 'null', '{}', '{"approvals":[{"id":"x"}]}', '{"approvals":{}}'])(
    'a server that answers %s is no gateway',
    async (body) => {
      const { server, origin } = await listen((_request, response) => response.end(body))
      onTestFinished(() => void server.close())
      const { exit, err } = await run(null, 'ann', ['list', '--api', origin])
      expect(exit).toBe(69)
      expect(err).toMatch(/does not answer as a Countersign API does: check --api.*ERR_API_ANSWER/)
    },
  )

  it('sends the token nowhere that a redirect points to', async () => {
    const seen: unknown[] = []
    const other = await listen((request, response) => {
      seen.push(request.headers.authorization)
      response.end('{"approvals":[]}')
    })
    const { server, origin } = await listen((_request, response) =>
      response.writeHead(307, { location: other.origin }).end(),
    )
    onTestFinished(() => void [server, other.server].map((each) => each.close()))
    expect(await run(null, 'ann', ['list', '--api', origin])).toMatchObject({ exit: 69, out: '' })
    expect(seen).toEqual([])
  })

  it('tells what to do next, by the reason of the refusal', async () => {
    const gateway = await openGateway(provider)
    const id = await ask(gateway)
    const token = await provider.tokenWith({ claims: { exp: 5 } })
    const stale = await run(gateway, 'ann', ['list'], { COUNTERSIGN_TOKEN: token })
    expect(stale).toMatchObject({
      exit: 77,
      err: expect.stringMatching(/expired.*fresh token into COUNTERSIGN_TOKEN.*ERR_IDENTITY_EXPIRED/),
    })
    expect(stale.err).not.toContain(token.slice(-20))
    const reason = await run(gateway, 'ann', ['approve', id])
    expect(reason).toMatchObject({
      exit: 1,
      err: expect.stringMatching(/asks for a reason.*add --reason "…" \(ERR_APPROVAL_REASON\)/),
    })
    const auditor = await run(gateway, 'axel', ['approve', id, '--reason', 'x'])
    expect(auditor).toMatchObject({
      exit: 77,
      err: expect.stringMatching(/only members of payments.*ERR_APPROVAL_GROUP/),
    })
    const owner = await run(gateway, 'olivia', ['deny', id, '--reason', 'x'])
    expect(owner).toMatchObject({
      exit: 1,
      err: expect.stringMatching(/that you may see; `countersign approvals list/),
    })
    await expect(gateway.ledger.get(id)).resolves.toMatchObject({ state: 'requested', answers: [] })
  })
})

describe('show', () => {
  it('tells in ten seconds who asks, for what, and why', async () => {
    const gateway = await openGateway(provider)
    const id = await ask(gateway)
    const { out, exit } = await run(gateway, 'ann', ['show', id])
    expect(exit).toBe(0)
    expect(out).toBe(`approval-1  requested, expires in 4 min
  asks       │ reconciler, agent of olivia
  wants      │ postgres.insert on public.transfers, public.accounts  (write)
  statement  │ INSERT INTO transfers (amount, to_account)
             │   SELECT $1, id FROM accounts WHERE account_number = $2
  values     │ $1 = 250000.00
             │ $2 = null
  with       │ kind insert, database bank, user reconciler
  touches    │ public.transfers:
             │   amount becomes 250000.00
             │   to_account [account] becomes what only the server can tell
             │ public.accounts:
             │   account_number [pii, account] (predicate)
  inside     │ an open transaction, whose locks are held while it waits
  hides      │ public.accounts.account_number by last4
  because    │ transfers over 100,000 need a second person  (rule bank.transfers.large)
  needs      │ 1 person of payments, 0 so far; a reason must be given
  earlier    │ nothing like it, from this requester
  traces     │ decision decision-1, policy r1
  next       │ countersign approvals approve|deny approval-1 --reason "…"
`)
  })

  it('tells whom an agent acts for, and what was answered', async () => {
    const gateway = await openGateway(provider)
    const token = await provider.tokenWith({ subject: 'reconciler', claims: { act: { sub: 'olivia' } } })
    const requester = await verifierFor(provider.issuer).verifier.verify(token)
    const { id } = await gateway.ledger.request(draft({ requester }))
    await gateway.no(id, undefined, 'not today')
    const { out } = await run(gateway, 'ann', ['show', id])
    expect(out).toMatch(/^approval-1 {2}denied\n/)
    expect(out).toContain('asks       │ reconciler, agent of olivia, for olivia\n')
    expect(out).toMatch(/answers {4}│ ann denied at 20\d\d-.*Z: not today\n/)
    expect(out).not.toContain('next')
  })
})

describe('list', () => {
  it('is a line an approval', async () => {
    const gateway = await openGateway(provider)
    await ask(gateway)
    const { out } = await run(gateway, 'ann', ['list'])
    expect(out.split('\n')).toEqual([
      'ID          STATE                        WHO                          WANTS                                                 RULE',
      'approval-1  requested, expires in 4 min  reconciler, agent of olivia  postgres.insert on public.transfers, public.accounts  bank.transfers.large',
      '',
    ])
  })

  it('says when nothing waits', async () => {
    const gateway = await openGateway(provider)
    expect(await run(gateway, 'ann', ['list'])).toEqual({
      exit: 0,
      out: 'Nothing waits for an answer. (--state all shows what was answered before.)\n',
      err: '',
    })
    expect((await run(gateway, 'ann', ['list', '--state', 'all'])).out).toBe('No approvals yet.\n')
    expect((await run(gateway, 'ann', ['list', '--state', 'used'])).out).toBe('No approval is used.\n')
  })
})

describe('approve and deny', () => {
  it('counts people until it is enough', async () => {
    const gateway = await openGateway(provider)
    const id = await ask(gateway, transfer, 2)
    const first = await run(gateway, 'ann', ['approve', id, '--reason', 'ticket 12'])
    expect(first).toMatchObject({
      exit: 0,
      out: `${id}: your yes is recorded; still needed: 2 people of payments, 1 so far; a reason must be given\n`,
    })
    const again = await run(gateway, 'ann', ['approve', id, '--reason', 'ticket 12'])
    expect(again).toMatchObject({
      exit: 1,
      err: expect.stringContaining('ann has answered already: another person must'),
    })
    const second = await run(gateway, 'ben', ['approve', id, '--reason', 'seen'])
    expect(second).toMatchObject({ exit: 0, out: `${id}: granted; the request that waits goes on, once\n` })
    await expect(gateway.ledger.get(id)).resolves.toMatchObject({ state: 'granted' })
  })

  it('denies, with the token from a file', async () => {
    const gateway = await openGateway(provider)
    const id = await ask(gateway)
    const directory = await mkdtemp(join(tmpdir(), 'countersign-cli-'))
    onTestFinished(() => rm(directory, { recursive: true }))
    const file = join(directory, 'token')
    await writeFile(file, `${await provider.personToken('ben')}\n`)
    const argv = ['deny', id, '--reason', 'no ticket', '--token-file', file]
    const denied = await run(gateway, 'ann', argv, { COUNTERSIGN_TOKEN: undefined })
    expect(denied).toEqual({ exit: 0, out: `${id}: denied; the request that waits is rejected\n`, err: '' })
    await expect(gateway.ledger.get(id)).resolves.toMatchObject({ answers: [{ by: 'ben', reason: 'no ticket' }] })
  })

  it('answers programs in JSON', async () => {
    const gateway = await openGateway(provider)
    const id = await ask(gateway)
    const { out } = await run(gateway, 'ann', ['approve', id, '--reason', 'ok', '--json'])
    expect(JSON.parse(out)).toMatchObject({ id, state: 'granted', answers: [{ by: 'ann', reason: 'ok' }] })
    const list = await run(gateway, 'ann', ['list', '--state', 'granted', '--json'])
    expect(JSON.parse(list.out)).toMatchObject({ approvals: [{ id }] })
  })

  it('prints its usage when asked', async () => {
    const { exit, out, err } = await run(null, 'ann', ['--help'])
    expect({ exit, err }).toEqual({ exit: 0, err: '' })
    expect(out).toMatch(/^usage: countersign approvals list/)
  })
})
