import { createHash } from 'node:crypto'
import { execFileSync, spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  controlReport,
  controlsCsv,
  isCitable,
  loadControlPack,
  reportHtml,
  reportPdf,
  type ControlPack,
  type ControlReport,
  type ReportScope,
} from '../../../engine/controls/index.ts'
import { countAgain } from '../../../engine/controls/report-commands.ts'
import { REPORT_STYLE } from '../../../engine/controls/report-style.ts'
import { provesInclusion, readRecords, type RecordDraft } from '../../../engine/evidence/index.ts'
import { fileOf, linesOf, writeLines } from '../evidence/workbench.ts'
import { ACTIVATED, AGENT, approval, decision, outcome, scopeOf, signedLog, table } from './signed-log.ts'

let pack: ControlPack

beforeAll(async () => {
  pack = await loadControlPack()
})

/** Enough for a sample to be a part, over two runs, with a hold and an exception. */
function day(): readonly RecordDraft[] {
  const reads = Array.from({ length: 40 }, (_, at) => [
    decision(at % 4 === 3 ? 'reject' : 'forward', `r-${at}`, at % 5 === 0 ? { resources: [table('c', 'ssn')] } : {}),
    ...(at % 4 === 3 ? [] : [outcome(`r-${at}`)]),
  ]).flat()
  return [
    ACTIVATED,
    ...reads,
    decision('hold', 'of-a', { reasons: [{ rule: 'hold-transfer', message: 'waits', controls: ['IS.II.C.7(c)'] }] }),
    approval('requested', 'a'),
    approval('granted', 'a', [{ by: 'ann' }]),
    approval('used', 'a'),
  ]
}

async function reported(directory: string, more: Partial<ReportScope> = {}): Promise<ControlReport> {
  return controlReport(directory, pack, await scopeOf(directory, more))
}

describe('a report', () => {
  test('shows every control that may be cited, and no other, unless it is asked for', async () => {
    const directory = await signedLog(day())
    const ids = (await reported(directory)).sections.map(({ control }) => control.id)
    expect(ids).toEqual([...pack.controls.values()].filter(isCitable).map(({ id }) => id))
    const memory = await reported(directory, { controls: ['GLBA.III.C.1.d'] })
    expect(memory.sections.map(({ control }) => control.certainty)).toEqual(['M'])
    expect(memory.pack.uncertain).toEqual(['GLBA.III.C.1.c', 'GLBA.III.C.1.d'])
  })

  test('derives the root again, and counts what was there', async () => {
    const directory = await signedLog(day(), [decision('reject', 'x')])
    const { root, size } = await scopeOf(directory)
    const { completeness, span } = await reported(directory)
    expect(completeness).toMatchObject({
      records: size,
      gaps: 0,
      root: Buffer.from(root).toString('hex'),
      uncovered: 0,
    })
    expect(completeness.writers.map(({ firstSeq }) => firstSeq)).toEqual([1, 1])
    expect(completeness.writers.reduce((sum, { lastSeq }) => sum + lastSeq, 0)).toBe(size)
    expect(span.records).toBe(size)
  })

  test('is the same for the same log, as JSON, HTML, CSV and PDF', async () => {
    const directory = await signedLog(day())
    const [one, other] = [await reported(directory), await reported(directory)]
    expect(other).toEqual(one)
    expect(reportHtml(other)).toBe(reportHtml(one))
    expect(controlsCsv(other)).toBe(controlsCsv(one))
    const single = { ...one, sections: one.sections.slice(0, 2) }
    expect(Buffer.compare(await reportPdf(single), await reportPdf(single))).toBe(0)
  })

  test('says which packs its records were made under where it is another', async () => {
    const directory = await signedLog(day())
    const changed = { ...pack, digest: '00'.repeat(32) }
    const report = await controlReport(directory, changed, await scopeOf(directory))
    expect(report.pack.others).toEqual({ [pack.digest]: report.span.records })
    expect(reportHtml(report)).toContain(`under pack ${pack.digest} and are mapped anew`)
  })
})

describe('a sample', () => {
  test('is the 25 smallest draws of the population, as anybody works them out', async () => {
    const directory = await signedLog(day())
    const scope = await scopeOf(directory)
    const { sections } = await reported(directory)
    const section = sections.find(({ control }) => control.id === 'IS.II.C.18')
    const draws: string[] = []
    for await (const { record, leaf, fields } of readRecords(directory)) {
      const events: readonly string[] = section?.control.events ?? []
      const named = JSON.stringify(fields['reasons'] ?? []).includes('"IS.II.C.18"')
      if (!events.includes(record.event) && !named) continue
      draws.push(createHash('sha256').update(scope.root).update(Buffer.from(leaf, 'hex')).digest('hex'))
    }
    expect(section?.population.records).toBe(draws.length)
    expect(draws.length).toBeGreaterThan(50)
    expect(section?.sample.map(({ draw }) => draw)).toEqual(draws.toSorted().slice(0, 25))
  })

  test('each of it is proved to be in the log', async () => {
    const directory = await signedLog(day())
    const { root, size } = await scopeOf(directory)
    const { sections } = await reported(directory)
    const proved = sections.flatMap(({ sample }) => sample)
    expect(proved.length).toBeGreaterThan(500)
    const right = proved.filter(({ leaf, index, proof }) =>
      provesInclusion(
        Buffer.from(leaf, 'hex'),
        index,
        size,
        proof.map((hash) => Buffer.from(hash, 'hex')),
        root,
      ),
    )
    expect(right).toHaveLength(proved.length)
  })
})

async function spoiled(
  spoil: (directory: string) => Promise<void> | void,
  more: Partial<ReportScope> = {},
): Promise<unknown> {
  const directory = await signedLog(day())
  const scope = await scopeOf(directory, more)
  await spoil(directory)
  return controlReport(directory, pack, scope).catch((error: unknown) => error)
}

describe('no report is made of a log', () => {
  const tampered = expect.objectContaining({ code: 'ERR_EVIDENCE_TAMPERED' })

  test('whose last record is gone', async () => {
    expect(
      await spoiled((directory) => {
        const file = fileOf(directory, 'records')
        writeLines(file, linesOf(file).slice(0, -1))
      }),
    ).toEqual(tampered)
  })

  test('out of which one was taken', async () => {
    expect(
      await spoiled((directory) => {
        const file = fileOf(directory, 'records')
        writeLines(file, linesOf(file).toSpliced(20, 1))
      }),
    ).toEqual(tampered)
  })

  test('in which two were swapped', async () => {
    expect(
      await spoiled((directory) => {
        const file = fileOf(directory, 'records')
        const lines = [...linesOf(file)]
        ;[lines[20], lines[21]] = [lines[21] ?? '', lines[20] ?? '']
        writeLines(file, lines)
      }),
    ).toEqual(tampered)
  })

  test('in which one was written anew, with a leaf hash of its own', async () => {
    expect(
      await spoiled(async (directory) => {
        const other = await signedLog(day().with(3, decision('forward', 'another')))
        writeLines(fileOf(directory, 'records'), linesOf(fileOf(other, 'records')))
      }),
    ).toEqual(tampered)
  })

  test('whose checkpoint says another root, or more than is there', async () => {
    expect(await spoiled(() => undefined, { root: Buffer.alloc(32) })).toEqual(tampered)
    expect(await spoiled(() => undefined, { size: 10_000 })).toEqual(tampered)
  })

  test('whose tiles prove nothing', async () => {
    expect(
      await spoiled(async (directory) => {
        const tile = join(directory, 'log', 'tile', '0', '000.p')
        const [name = ''] = execFileSync('ls', [tile], { encoding: 'utf8' }).split('\n')
        const hashes = await readFile(join(tile, name))
        await writeFile(join(tile, name), hashes.fill(0, 0, 64))
      }),
    ).toEqual(tampered)
  })
})

describe('what records say, in a report', () => {
  const HOSTILE = '<script>alert(1)</script>"\'&\u202e\u0000=cmd|A1'

  async function hostile(): Promise<ControlReport> {
    const principal = { ...AGENT, id: HOSTILE, owner: null }
    const directory = await signedLog([
      decision('reject', 'd', {
        principal,
        reasons: [{ rule: `=${HOSTILE}`, message: 'm', controls: ['IS.II.C.18'] }],
      }),
      { event: 'session.opened', session: 's-1', principal, detail: {} },
    ])
    return reported(directory)
  }

  test('is escaped in HTML, which has no script and lets none run', async () => {
    const html = reportHtml(await hostile())
    expect(html).not.toContain('<script')
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\\u{202e}\\u{0}')
    expect(html).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`)
    // oxlint-disable-next-line no-control-regex -- none may be there
    expect(html).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202a-\u202e\u2066-\u2069]/)
    expect(html.replaceAll(/<[^>]*>/g, '')).not.toMatch(/ on\w+=/)
  })

  test('is no formula in CSV, which another reader takes as it was meant', async () => {
    const report = await hostile()
    const [section] = report.sections
    if (section === undefined) throw new Error('a report without sections')
    const evil = ['=1+1', '+1', '-1', '@A1', '\t=1', '\r=1', '＝1', 'a"b,c\r\nd']
    const [measure] = section.measures
    if (measure === undefined) throw new Error('a section without measures')
    const measures = evil.map((what) => ({ ...measure, what }))
    const csv = controlsCsv({ ...report, sections: [{ ...section, measures }] })
    const read = 'import csv,json,sys; print(json.dumps(list(csv.DictReader(sys.stdin, strict=True))))'
    const { stdout } = spawnSync('python3', ['-c', read], {
      input: csv,
      encoding: 'utf8',
      env: { PYTHONIOENCODING: 'utf8' },
    })
    const rows: readonly { readonly measure: string; readonly control: string }[] = JSON.parse(stdout)
    expect(rows.map(({ measure }) => measure.replaceAll('\r\n', '\n'))).toEqual(
      evil.map((text) => (text.startsWith('a') ? text.replaceAll('\r\n', '\n') : `'${text}`)),
    )
    expect(rows.map(({ control }) => control)).toEqual(evil.map(() => section.control.id))
  })

  test('fills no PDF beyond its pages, however long it is', async () => {
    const reason = 'x'.repeat(20_000)
    const long = approval('granted', 'a', [{ by: 'ann' }])
    const answers = [{ by: 'ann', issuer: 'i', answer: 'approve', reason, at: 0 }]
    const directory = await signedLog([{ ...long, approval: { ...long.approval, answers } }])
    const pdf = await reportPdf(await reported(directory, { controls: ['IS.II.C.7(c)'] }))
    const pages =
      Buffer.from(pdf)
        .toString('latin1')
        .match(/\/Type \/Page\b/g)?.length ?? 0
    expect(pages).toBeGreaterThan(4)
    expect(pages).toBeLessThan(12)
  })

  test('never has it that anything complies or is satisfied', async () => {
    const report = await reported(await signedLog(day()))
    const words = reportHtml(report) + controlsCsv(report)
    expect(words).not.toMatch(/compl(?:ies|iant|y)\b/i)
    expect(words).not.toMatch(/\bsatisf/i)
    for (const { control } of report.sections) expect(words).toContain(control.notShown?.slice(0, 10))
  })

  test('labels of ours are called that, and licensed wording is not there', async () => {
    const html = reportHtml(await reported(await signedLog(day())))
    expect(html.match(/this id is a label of ours/g)).toHaveLength(8)
    expect(html.match(/Its wording is licensed/g)).toHaveLength(3)
  })
})

test('the command that counts a population again gives the report’s number, for every control', async (context) => {
  const { status } = spawnSync('jq', ['--version'])
  if (status !== 0 && process.env['CI'] === 'true') throw new Error('CI needs jq: apt-get install jq')
  if (status !== 0) return context.skip('jq is not here')
  const directory = await signedLog(day(), [decision('reject', 'x')])
  const report = await reported(directory, { from: '2026-04-01T00:00:00.020Z', to: '2026-04-02T00:00:00.003Z' })
  const counted = report.sections.map(({ control, population }) => {
    const script = countAgain(control, report).join('\n').replaceAll('EVIDENCE', directory)
    return [control.id, Number(execFileSync('sh', ['-c', script], { encoding: 'utf8' })), population.records]
  })
  expect(counted.filter(([, again, said]) => again !== said)).toEqual([])
  expect(report.span.records).toBeGreaterThan(20)
  return undefined
})

function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].toSorted((a, b) => a - b)
  return (light + 0.05) / (dark + 0.05)
}

describe('colours have a contrast of at least 4.5 to 1', () => {
  const schemes = [...REPORT_STYLE.matchAll(/:root \{ (?:color-scheme: light dark; )?(--ink[^}]*)\}/g)].map(
    ([, body = '']) =>
      Object.fromEntries(
        [...body.matchAll(/--(\w+): (#[0-9a-f]{6})/g)].map(([, name = '', color = '']) => [name, color]),
      ),
  )
  test.for([
    ['light', 0],
    ['dark', 1],
  ] as const)('%s', ([, at]) => {
    const { paper = '', band = '', ...inks } = schemes[at] ?? {}
    for (const name of ['ink', 'quiet', 'link', 'alert']) {
      expect(contrast(inks[name] ?? '', paper)).toBeGreaterThanOrEqual(4.5)
      expect(contrast(inks[name] ?? '', band)).toBeGreaterThanOrEqual(4.5)
    }
  })
})
