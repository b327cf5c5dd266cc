import { generateKeyPairSync } from 'node:crypto'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { main } from '../../../cli/main.ts'
import { GoMissingError, regocBinary } from '../../../tools/regoc.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const temporary = temporaryDirectory()
const home = join(temporary.path, 'policies')
const pack = join(home, 'pack.json')
const bundle = join(temporary.path, 'bundle.tar.gz')
let compiler: 'there' | 'missing' = 'there'

async function run(...argv: readonly string[]) {
  let [stdout, stderr] = ['', '']
  const io = {
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
    env: {},
  }
  const code = await main(['policy', ...argv], io)
  return { code, stdout, stderr }
}

beforeAll(async () => {
  await regocBinary().catch((error: unknown) => {
    if (!(error instanceof GoMissingError) || process.env.CI === 'true') throw error
    compiler = 'missing'
  })
  await run('init', home)
  return () => temporary[Symbol.dispose]()
})

test('what init makes passes lint and test as it is, and its cases run through the compiled module', async (context) => {
  if (compiler === 'missing') context.skip('no Go')
  expect(await run('lint', '--pack', pack)).toMatchObject({ code: 0, stdout: '' })
  const junit = join(temporary.path, 'junit.xml')
  const tested = await run('test', '--pack', pack, '--cases', join(home, 'cases'), '--junit', junit, '--json')
  expect(tested.code).toBe(0)
  expect(JSON.parse(tested.stdout)).toMatchObject({ ok: true, failed: [], coverage: { percent: 100 } })
  expect(await readFile(junit, 'utf8')).toContain('failures="0"')
  expect(await readFile(join(home, '.github/workflows/policy.yml'), 'utf8')).toContain('countersign policy test')
  expect(await run('init', home)).toMatchObject({ code: 64, stderr: expect.stringContaining('found files in it') })
})

test('a finding is told with file, line and what to do, and ends with 1', async (context) => {
  if (compiler === 'missing') context.skip('no Go')
  const broken = join(temporary.path, 'broken')
  await cp(home, broken, { recursive: true })
  const path = join(broken, 'bank', 'agents.rego')
  await writeFile(path, (await readFile(path, 'utf8')).replace('input.principal.kind', 'input.principal.knid'))
  const told = await run('check', '--pack', join(broken, 'pack.json'))
  expect(told.code).toBe(1)
  expect(told.stdout).toMatch(/^bank\/agents\.rego:\d+:\d+: undefined_field: .*knid/)
  expect(told.stdout).toContain('request.schema.json')
})

test('a case whose answer or record is not the wanted one fails, and says both', async (context) => {
  if (compiler === 'missing') context.skip('no Go')
  const wrong = join(temporary.path, 'wrong')
  // The library's unit tests are enough here; those of the whole pack are run above.
  await cp(home, wrong, { recursive: true, filter: (name) => !/bank\/.*_test\.rego$/.test(name) })
  const path = join(wrong, 'cases', 'reject-delete.json')
  const vector: object = JSON.parse(await readFile(path, 'utf8'))
  await writeFile(path, JSON.stringify({ ...vector, record: { event: 'decision.forward' } }))
  const told = await run(
    'test',
    '--pack',
    join(wrong, 'pack.json'),
    '--cases',
    join(wrong, 'cases'),
    '--threshold',
    '0',
  )
  expect(told.code).toBe(1)
  expect(told.stdout).toContain(
    'reject-delete.json: record.event: expected "decision.forward", recorded "decision.reject"',
  )
})

test('a bundle is built, signed, verified by its key and no other, inspected, timed, and the same as itself', async (context) => {
  if (compiler === 'missing') context.skip('no Go')
  expect(await run('build', '--pack', pack, '--out', bundle)).toMatchObject({ code: 0, stderr: '' })
  const [ours, theirs] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')]
  const file = async (name: string, text: string | Buffer): Promise<string> => {
    await writeFile(join(temporary.path, name), text)
    return join(temporary.path, name)
  }
  const key = await file('key.pem', ours.privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const right = await file('right.pem', ours.publicKey.export({ type: 'spki', format: 'pem' }))
  const other = await file('other.pem', theirs.publicKey.export({ type: 'spki', format: 'pem' }))
  const signed = join(temporary.path, 'signed.tar.gz')
  expect(await run('sign', bundle, '--key', key, '--out', signed)).toMatchObject({ code: 0 })
  expect(await run('verify', signed, '--key', right, '--slowest', '1m')).toMatchObject({ code: 0 })
  expect(await run('verify', signed, '--key', other, '--json')).toMatchObject({ code: 1 })
  expect(await run('verify', bundle, '--key', right)).toMatchObject({ code: 1 })
  expect(JSON.parse((await run('inspect', signed, '--json')).stdout)).toMatchObject({ pack: 'bank' })
  expect(await run('bench', bundle, '--runs', '20')).toMatchObject({ code: 0, stdout: expect.stringContaining('p50') })
  const same = await run('diff', bundle, signed, '--cases', join(home, 'cases'), '--json')
  expect(JSON.parse(same.stdout)).toMatchObject({ groups: [] })
})

test.for([
  [
    'postgres',
    'reject-delete',
    'reject-destructive',
    /read-public[^]*asks, at bank\/reading\.rego:\d+, that input\.action\.class in [^]*here input\.action\.class is "destroy"/,
  ],
  [
    'sqs',
    'sqs-reject',
    'reject-queue-destruction',
    /send-listed[^]*asks, at [\w/.]+:\d+, that sending\n +asks, at [\w/.]+:\d+, that input\.sqs\.kind == "send"\n +here input\.sqs\.kind is "destroy"/,
  ],
  [
    'http',
    'http-reject-delete',
    'reject-api-destruction',
    /write-endpoint[^]*asks, at [\w/.]+:\d+, that writing\n +asks, at [\w/.]+:\d+, that input\.action\.class == "write"/,
  ],
] as const)(
  'explain tells a refused developer of %s why, and where each rule that would let it through stops',
  async ([plane, name, rule, stops], context) => {
    if (compiler === 'missing') context.skip('no Go')
    const { code, stdout } = await run('explain', join(home, 'cases', `${name}.json`), '--plane', plane, '--pack', pack)
    expect(code).toBe(0)
    expect(stdout).toMatch(/It is rejected\.\n\nWhy:\n {2}.*(?:ask|by) .*\n {6}rule /)
    expect(stdout).toContain(`rule ${rule}, bank/`)
    expect(stdout).toMatch(stops)
  },
)

test('what is not a command, a pack or a bundle is wrong usage', async () => {
  expect(await run('chekc')).toMatchObject({ code: 64, stderr: expect.stringContaining('did you mean check?') })
  expect(await run('sign', 'x')).toMatchObject({ code: 64 })
  expect(await run('explain')).toMatchObject({ code: 64 })
  expect((await run('bench', join(home, 'none.tar.gz'))).code).toBe(78)
})
