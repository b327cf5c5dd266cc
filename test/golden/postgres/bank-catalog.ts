import { readFileSync } from 'node:fs'
import { BUILTIN_QUERIES, CATALOG_QUERIES } from '../../../planes/postgres/normalizer/catalog-queries.ts'
import { Catalog, type CatalogSource } from '../../../planes/postgres/normalizer/index.ts'

type Row = readonly (string | null)[]

/** What a real server answered to the catalogue's queries once the bank was in it (COPY's text form, a section a query). */
const RECORDED = new URL('catalog.tsv', import.meta.url)

const QUERIES: readonly (readonly [section: string, query: string])[] = [
  ...Object.entries(CATALOG_QUERIES),
  ...Object.entries(BUILTIN_QUERIES).map(([name, query]) => [`builtin ${name}`, query] as const),
]

/** Answers each query of the catalogue as it was recorded, and everything else with no rows. */
export function recordedSource(changed: Readonly<Partial<Record<string, readonly Row[]>>> = {}): CatalogSource {
  const sections = readSections(readFileSync(RECORDED, 'utf8'))
  const answers = new Map<string, readonly Row[]>(
    QUERIES.map(([name, query]) => [query, [...(sections.get(name) ?? []), ...(changed[name] ?? [])]]),
  )
  return { query: (sql) => Promise.resolve(answers.get(sql) ?? []) }
}

export function bankCatalog(changed: Readonly<Partial<Record<string, readonly Row[]>>> = {}): Promise<Catalog> {
  return Catalog.load(recordedSource(changed))
}

/** The recording of a source, as it is kept. */
export async function record(source: CatalogSource): Promise<string> {
  const sections: string[] = []
  await source.query('BEGIN READ ONLY')
  await source.query(`SET LOCAL search_path TO ''`)
  for (const [name, query] of QUERIES) {
    const rows = await source.query(query)
    sections.push(`== ${name}\n`, ...rows.map((row) => `${row.map(escape).join('\t')}\n`))
  }
  await source.query('COMMIT')
  return sections.join('')
}

function readSections(text: string): ReadonlyMap<string, readonly Row[]> {
  const sections = text.split(/^== /m).slice(1)
  return new Map(
    sections.map((section): [string, readonly Row[]] => {
      const [name = '', ...lines] = section.trimEnd().split('\n')
      return [name, lines.map((line) => line.split('\t').map(unescape))]
    }),
  )
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n' }

function escape(value: string | null): string {
  return value === null ? '\\N' : value.replaceAll(/[\\\t\n]/g, (character) => ESCAPES[character] ?? character)
}

function unescape(value: string): string | null {
  if (value === '\\N') return null
  return value.replaceAll(/\\(.)/g, (_, code: string) => (code === 'n' ? '\n' : code === 't' ? '\t' : code))
}
