import { once } from 'node:events'
import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import { Secret } from '../../../engine/index.ts'
import { configure, type HttpConfig } from '../../../planes/http/config.ts'
import { wayAroundApi, waysAtApis } from '../../../planes/http/ways-around.ts'
import { freePort } from '../../support/free-port.ts'

function config(upstream: object): HttpConfig {
  const api = { name: 'bank', hosts: ['api.bank.example'], upstream }
  return configure({ listen: { host: '0.0.0.0', port: 8080 }, plaintext: 'loopback', apis: [api] })
}

const kinds = (of: HttpConfig): readonly string[] => waysAtApis(of).map(({ kind, what }) => `${kind} ${what}`)

test('an API that answers an agent’s host is open, whatever it says; and is told no secret', async () => {
  const heard: (string | undefined)[] = []
  const server = createServer(({ url, headers }, response) => {
    heard.push(url, headers.authorization)
    response.writeHead(status, { 'content-length': 0 }).end()
  })
  let status = 200
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const url = new URL(
    `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/secret?path`,
  )
  try {
    expect(await wayAroundApi(url)).toMatchObject({ kind: 'open', what: expect.stringMatching(/^BYPASS: .*\(200\)$/) })
    status = 401
    expect(await wayAroundApi(url)).toMatchObject({ kind: 'open', what: expect.stringContaining('refuses') })
  } finally {
    server.closeAllConnections()
    server.close()
  }
  expect(heard).toEqual(['/', undefined, '/', undefined])
  expect(await wayAroundApi(new URL(`http://127.0.0.1:${await freePort()}`))).toMatchObject({ kind: 'closed' })
})

test('what the gateway’s own way gives away', () => {
  const bearer = new Secret('t', 'a test')
  expect(kinds(config({ url: 'http://core.example', credentials: { bearer } }))).toEqual([
    "closed bank is told who asks by the gateway's own credentials",
    "open bank is reached in clear text: the gateway's credentials and every answer can be read on the way",
    'closed agents of bank set http://api.bank.example as its URL, and the bank’s token'.replace('’', "'"),
  ])
  expect(kinds(config({ url: 'https://core.example' }))[0]).toMatch(/^open .*without credentials/)
  expect(kinds(config({ url: 'http://127.0.0.1:1', credentials: { bearer } }))[1]).toBe(
    'closed bank is reached over loopback',
  )
})
