import { readFile } from 'node:fs/promises'
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readRecords, type StoredRecord } from '../../../engine/evidence/index.ts'
import { countersign } from '../../support/child.ts'
import { findPython } from '../../support/python.ts'
import { complaintsAbout } from '../../support/record-schema.ts'
import { playDay } from '../../support/report-scenes.ts'
import { startStack, type Stack } from '../../support/stack.ts'

let stack: Stack
const python = findPython()
const at = (name: string): string => join(dirname(stack.line.config), name)

beforeAll(async () => {
  stack = await startStack()
  await playDay(stack)
})
afterAll(() => stack?.stop())

async function records(): Promise<readonly StoredRecord[]> {
  const all: StoredRecord[] = []
  for await (const stored of readRecords(stack.evidence)) all.push(stored)
  return all
}

test('every record of a day is of the published schema, and cites three to six controls', async () => {
  const day = await records()
  expect(day.length).toBeGreaterThan(100)
  expect(new Set(day.map(({ record }) => record.event)).size).toBeGreaterThan(16)
  expect(day.flatMap(({ fields }) => complaintsAbout(fields))).toEqual([])
  const counts = day.map(({ fields }) => (Array.isArray(fields['controls']) ? fields['controls'].length : 0))
  expect([Math.min(...counts), Math.max(...counts)]).toEqual([3, 6])
})

test('a report is made while the gateway serves, and is noted in the evidence before it is there', async () => {
  const asked = ['--control', 'IS.II.C.7(c)', '--reason', 'exam 2026-4']
  const made = await countersign(['report', '--config', stack.line.config, ...asked, '-o', at('one.pdf')])
  expect(made).toMatchObject({ status: 0, stderr: '', stdout: expect.stringContaining('one.pdf: 1 control') })
  const noted = (await records()).filter(({ record }) => record.event === 'report.generated')
  expect(noted.map(({ fields }) => fields['detail'])).toEqual([
    expect.objectContaining({ controls: ['IS.II.C.7(c)'], format: 'pdf', reason: 'exam 2026-4' }),
  ])
  expect(noted.flatMap(({ fields }) => complaintsAbout(fields))).toEqual([])
})

test('another reader finds in the PDF what an examiner looks for', async (context) => {
  if (python === null) return context.skip('python3 with venv is not here')
  const script = `import pypdf, sys
reader = pypdf.PdfReader(sys.argv[1], strict=True)
print(reader.metadata.title)
print([item.title for item in reader.outline if not isinstance(item, list)])
print('\\n'.join(page.extract_text() for page in reader.pages))`
  const { stdout, stderr } = spawnSync(python, ['-c', script, at('one.pdf')], { encoding: 'utf8' })
  expect(stderr).toBe('')
  const said = stdout.replaceAll(/\s+/g, ' ')
  expect(stdout).toContain('Evidence for IS.II.C.7(c), Segregation of Duties')
  for (const sought of [
    /16 records, leaves \d+ to \d+/,
    /gaps 0, root of what was read = root of the checkpoint/,
    /Exceptions, one by one/,
    /invoice 4711, checked by phone/,
    /countersign evidence verify EVIDENCE --log-key log\.pub --explain stack\.\S+:\d+/,
    /policy author != policy approver/,
    /staffing and role design outside the gateway/,
  ]) {
    expect(said).toMatch(sought)
  }
  return undefined
})

test('of a copy, all controls; the log still verifies, and a copy that was changed gives no report', async () => {
  await stack.gateway.stop()
  const key = ['--log-key', at('log.pub')]
  const html = await countersign(['report', '--evidence', stack.evidence, ...key, '-o', at('all.html')])
  expect(html).toMatchObject({ status: 0, stderr: '' })
  expect((await readFile(at('all.html'), 'utf8')).match(/<h2/g)?.length).toBeGreaterThan(67)
  expect(await countersign(['evidence', 'verify', stack.evidence, ...key])).toMatchObject({ status: 0 })
  const wrong = await countersign(['report', '--evidence', stack.evidence, '--log-key', 'a+b+c', '-o', at('no.html')])
  expect(wrong).toMatchObject({ status: 64, stderr: expect.stringContaining('--log-key') })
  await expect(readFile(at('no.html'))).rejects.toThrow('ENOENT')
})

test('coverage tells what was seen, rule by rule, with its tests', async () => {
  const given = ['--policy', 'policies/dist/starter.tar.gz', '--tests', 'policies', '--evidence', stack.evidence]
  const { status, stdout } = await countersign(['controls', 'coverage', ...given, '--json'])
  expect(status).toBe(0)
  const { controls }: { controls: readonly Record<string, unknown>[] } = JSON.parse(stdout)
  expect(controls).toHaveLength(67)
  const of = (id: string): Record<string, unknown> => controls.find((row) => row['id'] === id) ?? {}
  expect(of('IS.II.C.7(c)')).toMatchObject({
    standing: 'evidenced',
    rules: expect.arrayContaining([expect.objectContaining({ id: 'hold-transfer' })]),
  })
  expect(of('IS.II.C.20')).toMatchObject({ standing: 'not recorded yet', records: 0 })
  const rules = controls.flatMap((row) => (Array.isArray(row['rules']) ? row['rules'] : []))
  expect(rules.filter((rule) => Reflect.get(Object(rule), 'tests') === 0)).toEqual([])
})
