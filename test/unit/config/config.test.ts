import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { CONFIG_SCHEMA } from '../../../engine/config/schema.ts'
import { atLine, readConfig } from '../../../engine/config/config.ts'
import type { LoadedConfig } from '../../../engine/config/config.ts'
import type { ConfigSurroundings } from '../../../engine/config/outside-texts.ts'
import { signerFromSeed, signerText, verifierText } from '../../../engine/evidence/index.ts'
import { sectionReader } from '../../../engine/config/section.ts'
import { ConfigError } from '../../../engine/errors.ts'
import { Secret } from '../../../engine/secret.ts'
import { cosigner } from '../evidence/cosigned.ts'
import { logSigner } from '../evidence/signed.ts'

const FILE = '/etc/countersign/gateway.yaml'

const WHOLE = `instance: gw-1
evidence: { directory: ./var/evidence }
state: { file: ./var/state.db }
policy:
  bundle: ./policy/bundle.tar.gz
  verify: { key: { file: ./policy/key.pem }, algorithm: EdDSA, key_id: main }
identity:
  issuers:
    - issuer: http://127.0.0.1:4444
      audience: countersign
      algorithms: [RS256]
planes:
  postgres:
    listen: { host: 127.0.0.1, port: 5433 }
    upstream:
      password: { env: PGPASSWORD }
`

const surroundings = (
  env: Record<string, string> = { PGPASSWORD: 'hunter2' },
  files: Record<string, string> = { '/etc/countersign/policy/key.pem': 'PEM\n' },
): ConfigSurroundings => ({
  env,
  readText(path) {
    const text = files[path]
    if (text === undefined) throw Object.assign(new Error('gone'), { code: 'ENOENT' })
    return text
  },
})

const read = (text: string, around: ConfigSurroundings = surroundings()): LoadedConfig => readConfig(text, FILE, around)

function failure(text: string, around?: ConfigSurroundings): ConfigError {
  try {
    read(text, around)
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('the configuration was accepted')
}

describe('what is refused', () => {
  test.each([
    ['a tab where YAML wants spaces', 'instance: gw\n\tevidence: x', /^\/etc\/countersign\/gateway\.yaml:2:1: /],
    ['a key twice', 'instance: a\ninstance: b', /gateway\.yaml:2:1: .*unique/],
    ['two documents', 'instance: a\n---\ninstance: b', /gateway\.yaml:2:\d+: /],
    ['an unknown tag', 'instance: !env NAME', /gateway\.yaml:1:11: .*!env/],
    ['aliases that multiply', bomb(), /aliases/],
  ])('%s, as syntax', (_, text, message) => {
    const error = failure(text)
    expect(error.code).toBe('ERR_CONFIG_SYNTAX')
    expect(error.message).toMatch(message)
  })

  test.each([
    ['an empty file', '', '(the whole file): expected a mapping'],
    ['a list', '- a', 'found a list'],
    [
      'an unknown key, naming the likely one',
      WHOLE.replace('instance:', 'instnace:'),
      ':1:1: instnace: unknown key; did you mean instance?',
    ],
    [
      'an unknown key inside a section',
      WHOLE.replace('bundle:', 'bundel:'),
      ':5:3: policy.bundel: unknown key; did you mean policy.bundle?',
    ],
    [
      'an unknown key like nothing else',
      WHOLE.replace('instance:', 'zzz: 1\ninstance:'),
      'zzz: unknown key; known here: instance, evidence',
    ],
    [
      'a missing key',
      WHOLE.replace(/^evidence.*\n/m, ''),
      'evidence: expected a mapping of directory, or postgres, and log; found nothing',
    ],
    ['a port as text', `${WHOLE}api: { port: "7420" }`, 'api.port: expected a TCP port, 0 for any; found "7420"'],
    [
      'an API beyond loopback',
      `${WHOLE}api: { host: 0.0.0.0 }`,
      'api.host: expected an address of loopback, or api.tls with it; found 0.0.0.0 without TLS',
    ],
    [
      'a provider to sign in at that is not believed',
      `${WHOLE}api: { sign_in: { issuer: "https://other.example", client_id: console } }`,
      'api.sign_in.issuer: expected one of identity.issuers or identity.saml: http://127.0.0.1:4444; found https://other.example',
    ],
    [
      'a console that its OpenID provider has no name for',
      `${WHOLE}api: { sign_in: { issuer: "http://127.0.0.1:4444" } }`,
      'api.sign_in.client_id: expected what the provider calls the console; found nothing',
    ],
    [
      'a console whose browsers would come in the clear',
      `${WHOLE}api: { sign_in: { issuer: "http://127.0.0.1:4444", client_id: console, public_url: "http://gw.bank.example" } }`,
      'api.sign_in.public_url: expected an https URL without a path, or http on loopback; found http://gw.bank.example',
    ],
    [
      'a console beyond loopback that does not say what browsers call it',
      `${WHOLE}api:
  host: 0.0.0.0
  tls: { cert: { file: ./policy/key.pem }, key: { file: ./policy/key.pem } }
  sign_in: { issuer: "http://127.0.0.1:4444", client_id: console }`,
      'api.sign_in.public_url: expected what browsers call the gateway; found nothing',
    ],
    [
      'a duration without unit',
      WHOLE.replace('[RS256]', '[RS256]\n      max_lifetime: 900'),
      'max_lifetime: expected a duration such as 90s, 15m or 12h; found 900',
    ],
    [
      'a duration too short to count',
      WHOLE.replace('[RS256]', '[RS256]\n      max_lifetime: 20ms'),
      ':12:21: identity.issuers[0].max_lifetime: expected a duration of at least 1s; found 20ms',
    ],
    [
      'no plane',
      WHOLE.replace(/planes:[^]*/, 'planes: {}'),
      'planes: expected a mapping from plane to its settings, at least one',
    ],
    [
      'a plane without settings',
      WHOLE.replace(/planes:[^]*/, 'planes: { postgres: }'),
      'planes.postgres: expected a mapping',
    ],
    [
      'verify by any other word than none',
      WHOLE.replace(/verify: .*/, 'verify: off'),
      'policy.verify: expected a mapping of key, algorithm and key_id, or the word none; found "off"',
    ],
    ['verify left out: unsigned must be said', WHOLE.replace(/ {2}verify: .*\n/, ''), 'policy.verify: expected'],
    [
      'a symmetric algorithm for bundles',
      WHOLE.replace('EdDSA', 'HS256'),
      'policy.verify.algorithm: expected EdDSA, ES256, RS256 or PS256; found "HS256"',
    ],
  ])('%s', (_, text, message) => {
    const error = failure(text)
    expect(error.code).toBe('ERR_CONFIG_SHAPE')
    expect(error.message).toContain(message)
  })

  test('everything at once, in the order of the file, a line each', () => {
    const text = WHOLE.replace('gw-1', '"not a name"').replace('./var/state.db', '7').replace('countersign\n', '""\n')
    expect(
      failure(text)
        .message.split('\n')
        .map((line) => line.split(': ').slice(0, 2)),
    ).toEqual([
      [`${FILE}:1:11`, 'instance'],
      [`${FILE}:3:16`, 'state.file'],
      [`${FILE}:10:17`, 'identity.issuers[0].audience'],
    ])
  })

  test.each([
    [
      'a variable that is not set',
      surroundings({}),
      'planes.postgres.upstream.password: expected the environment variable PGPASSWORD to be set',
    ],
    [
      'a variable that is empty',
      surroundings({ PGPASSWORD: ' ' }),
      'expected text in the environment variable PGPASSWORD; found it empty',
    ],
    [
      'a file that is not there',
      surroundings({ PGPASSWORD: 'x' }, {}),
      'policy.verify.key: expected a readable file /etc/countersign/policy/key.pem; found no such file',
    ],
  ])('a secret from %s', (_, around, message) => {
    const error = failure(WHOLE, around)
    expect(error.code).toBe('ERR_CONFIG_SECRET')
    expect(error.message).toContain(message)
  })

  test('a key written into the file itself, without repeating it', () => {
    const error = failure(WHOLE.replace('{ file: ./policy/key.pem }', 'MC4CAQAwBQYDK2Vw'))
    expect(error.message).toContain(
      'policy.verify.key: expected { file: PATH } or { env: NAME }, never the text itself',
    )
    expect(error.message).not.toContain('MC4C')
  })

  test('a file that is not there', async () => {
    const { loadConfig } = await import('../../../engine/config/config.ts')
    expect(() => loadConfig('/nowhere/gateway.yaml')).toThrow(
      new ConfigError('ERR_CONFIG_FILE', '/nowhere/gateway.yaml: expected a readable YAML file; found no such file'),
    )
  })
})

describe('what is accepted', () => {
  test('the least there can be, with its defaults and absolute paths', () => {
    const { config } = read(WHOLE)
    expect(config).toMatchObject({
      instance: 'gw-1',
      evidence: { directory: '/etc/countersign/var/evidence', postgres: null, signer: null },
      state: { file: '/etc/countersign/var/state.db' },
      policy: {
        bundle: '/etc/countersign/policy/bundle.tar.gz',
        trust: { kind: 'signed', key: 'PEM', keyId: 'main', algorithm: 'EdDSA' },
      },
      api: { host: '127.0.0.1', port: 7420, tls: null, auditors: { groups: [], roles: [] }, signIn: null },
      log: { level: 'info' },
    })
    expect(config.identity.issuers).toEqual([
      {
        issuer: 'http://127.0.0.1:4444',
        audience: 'countersign',
        algorithms: ['RS256'],
        maxLifetimeSeconds: 43_200,
        keysMaxAgeSeconds: 86_400,
        claims: { groups: 'groups', roles: 'roles', kind: 'kind', owner: 'owner' },
      },
    ])
  })

  test('an unsigned bundle, when the file says so', () => {
    expect(read(WHOLE.replace(/verify: .*/, 'verify: none')).config.policy.trust).toEqual({ kind: 'unsigned' })
  })

  test("a plane's secret, which shows itself only to who asks", () => {
    const { config } = read(WHOLE)
    const found: unknown[] = []
    JSON.stringify(config.planes, (_, value: unknown) => (found.push(value), value))
    const secret = secretIn(config.planes['postgres'])
    expect(secret.reveal()).toBe('hunter2')
    for (const shown of [inspect(config, { depth: 9 }), JSON.stringify(config), String(secret)]) {
      expect(shown).not.toContain('hunter2')
      expect(shown).toContain('environment variable PGPASSWORD')
    }
  })
})

const holding = (key: string): ConfigSurroundings =>
  surroundings(undefined, { '/etc/countersign/policy/key.pem': 'PEM\n', '/k.hex': key })

describe('the masking key', () => {
  const masking = `${WHOLE}masking: { key: { file: /k.hex }, key_id: k1 }\n`
  test('is read, with the end of its line, and shows itself to nobody', () => {
    const { config } = read(masking, holding(`${'ab'.repeat(32)}\n`))
    expect(config.maskingKey?.id).toBe('k1')
    expect(inspect(config, { depth: 9, showHidden: true })).not.toContain('abab')
  })

  test.each(['ab'.repeat(31), `${'ab'.repeat(31)}zz`, 'ab'.repeat(33)])(
    'is refused as %j, without a word of it',
    (key) => {
      const { message } = failure(masking, holding(key))
      expect(message).toMatch(/:\d+:\d+: masking\.key: expected 64 hex digits in the file \/k\.hex; found \d\d char/)
      expect(message).not.toContain('abab')
    },
  )

  test('has a name, and stands in no file of settings', () => {
    expect(failure(masking.replace(', key_id: k1', '')).message).toContain('masking.key_id: expected')
    expect(failure(masking.replace('{ file: /k.hex }', 'abab')).message).toContain(
      'masking.key: expected 64 hex digits',
    )
  })
})

describe('where things stand', () => {
  test.each([
    ['planes.postgres.listen.port', ':14:38'],
    ['identity.issuers[0].audience', ':10:17'],
    ['planes.postgres.listen.prot', ':14:5'],
    ['identity.issuers[0]', ':9:7'],
    ['planes', ':12:1'],
    ['nothing.of.this', ':1:1'],
  ])('%s', (path, where) => {
    expect(read(WHOLE).locate(path)).toBe(FILE + where)
  })

  test("a plane's complaint gets its line", () => {
    const loaded = read(WHOLE)
    const complaint = (text: string): string =>
      atLine(new ConfigError('ERR_CONFIG_SHAPE', text), loaded, 'planes.postgres').message
    expect(complaint('listen.port: expected a port')).toBe(
      `${FILE}:14:38: planes.postgres.listen.port: expected a port`,
    )
    expect(complaint('planes.postgres.listen: wrong')).toBe(`${FILE}:14:5: planes.postgres.listen: wrong`)
    expect(complaint('listen.port: a\nupstream: b').split('\n')).toHaveLength(2)
    expect(complaint('nothing fits')).toBe(`${FILE}:13:3: planes.postgres: nothing fits`)
  })
})

describe("a plane's section", () => {
  interface Shape {
    readonly port: number
    readonly password?: Secret
  }
  const readSection = sectionReader<Shape>({
    type: 'object',
    description: 'a mapping',
    properties: {
      port: { type: 'integer', description: 'a port', default: 5432 },
      password: { type: 'object', description: '{ file } or { env }', writeOnly: true },
    },
    required: [],
    additionalProperties: false,
  })
  const complaint = (raw: unknown): string => {
    try {
      readSection(raw)
    } catch (error) {
      return error instanceof ConfigError ? `${error.code} ${error.message}` : String(error)
    }
    return 'accepted'
  }

  test.each([
    ['hunter2', 'password: expected { file } or { env }; found something else'],
    [{ text: 'hunter2' }, 'password: expected { file } or { env }; found something else'],
  ])('a secret as %j, which is not from outside, is refused and not repeated', (password, expected) => {
    expect(complaint({ password })).toBe(`ERR_CONFIG_PLANE ${expected}`)
  })

  test('several faults, a line each, with the likely key', () => {
    expect(complaint({ prot: 1, port: 'x' })).toBe(
      'ERR_CONFIG_PLANE prot: unknown key; did you mean port?\nport: expected a port; found "x"',
    )
  })

  test('defaults go into a copy, a secret is shared', () => {
    const raw = { password: new Secret('x', 'file y') }
    expect(readSection(raw)).toEqual({ port: 5432, password: raw.password })
    expect(raw).not.toHaveProperty('port')
  })
})

const signerOf = (name: string, byte: number): string => {
  const signer = signerFromSeed(name, Buffer.alloc(32, byte))
  return signer === undefined ? '' : signerText(signer)
}

const logged = (log: string): string =>
  WHOLE.replace(/^evidence.*$/m, `evidence: { directory: e, log: { key: { env: NEW }, ${log} } }`)

const keys = (other: string): ConfigSurroundings =>
  surroundings({ PGPASSWORD: 'hunter2', NEW: signerOf('bank.example/gw', 2), OLD: signerOf(other, 1) })
describe('the log’s keys and its witnesses', () => {
  const witness = verifierText(cosigner().verifier)
  const rotating = 'previous_key: { env: OLD }'

  test('are read', () => {
    const text = logged(`${rotating}, witnesses: [{ url: "https://w.example/x", key: "${witness}" }]`)
    const { evidence } = read(text, keys('bank.example/gw')).config
    expect(evidence.previousSigner?.verifier.name).toBe('bank.example/gw')
    expect(evidence.witnesses).toMatchObject([{ url: 'https://w.example/x', key: { name: 'auditor.example/w1' } }])
  })

  test.each([
    [
      'a previous key of another log',
      logged(rotating),
      'evidence.log.previous_key: expected a key of the name bank.example/gw: a log keeps its name when its key is another; found one of other.example',
    ],
    [
      'a log’s key for a witness’s',
      logged(`witnesses: [{ url: "https://w.example", key: "${verifierText(logSigner().verifier)}" }]`),
      'evidence.log.witnesses[0].key: expected a public key as `countersign witness key` prints it; found other text',
    ],
    [
      'a witness that is nowhere',
      logged(`witnesses: [{ url: "w.example", key: "${witness}" }]`),
      'evidence.log.witnesses[0].url: expected the address of a witness, http:// or https://',
    ],
  ])('are refused: %s', (_, text, message) => {
    const error = failure(text, keys('other.example'))
    expect(error.message).toContain(message)
    expect(error.message).not.toContain('PRIVATE')
  })
})

const evidence = (text: string): string => WHOLE.replace(/^evidence.*$/m, `evidence: ${text}`)

describe('evidence and state in a database', () => {
  const place = '{ host: db.bank.example, database: countersign, user: gw, password: { env: PGPASSWORD } }'
  const both = evidence(`{ postgres: ${place} }`).replace(/^state.*$/m, `state: { postgres: ${place} }`)

  test('are both there, with the secret read and TLS asked for', () => {
    const { config } = read(both)
    const address = { host: 'db.bank.example', port: 5432, database: 'countersign', user: 'gw' }
    expect(config.evidence.postgres).toMatchObject({ ...address, tls: { ca: null, serverName: null } })
    expect(config.evidence.postgres?.password).not.toBe('')
    expect(config.state).toMatchObject({ postgres: address })
  })

  test('leave no directory for a command to read, and say how to get one', () => {
    expect(() => read(both).config.evidence.directory).toThrow(/countersign evidence pull/)
  })

  test.each([
    [
      'one without the other',
      evidence(`{ postgres: ${place} }`),
      ':3:1: state: expected postgres, since evidence is in',
    ],
    [
      'a directory beside it',
      evidence(`{ directory: x, postgres: ${place} }`),
      'expected one of directory and postgres; found both',
    ],
    ['neither', evidence('{}'), 'evidence: expected one of directory and postgres; found neither'],
    ['a password in the file', both.replaceAll('{ env: PGPASSWORD }', 'hunter2'), 'never the text itself'],
  ])('are refused as %s', (_, text, message) => {
    expect(failure(text).message).toContain(message)
    expect(failure(text).message).not.toContain('hunter2')
  })
})

test('docs/countersign.schema.json is the schema in the code', () => {
  const published: unknown = JSON.parse(
    readFileSync(new URL('../../../docs/countersign.schema.json', import.meta.url), 'utf8'),
  )
  expect(published).toEqual(JSON.parse(JSON.stringify(CONFIG_SCHEMA)))
})

function secretIn(section: unknown): Secret {
  const upstream: unknown = Reflect.get(Object(section), 'upstream')
  const secret: unknown = Reflect.get(Object(upstream), 'password')
  if (!(secret instanceof Secret)) throw new Error('no secret there')
  return secret
}

/** Nine levels of nine: a few hundred bytes that would become millions. */
function bomb(): string {
  const levels = Array.from({ length: 9 }, (_, level) => `l${level + 1}: &l${level + 1} [${`*l${level},`.repeat(9)}]`)
  return ['l0: &l0 [x]', ...levels].join('\n')
}
