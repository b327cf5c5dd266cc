import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Case, plainly } from './outcome.ts'

/** Tests that are known to come out otherwise at the gateway, each with the reason. */
export class KnownDifferences {
  readonly #path: string
  readonly #reasons: ReadonlyMap<string, string>

  constructor(suite: string) {
    this.#path = fileURLToPath(new URL(`known/${suite}.tsv`, import.meta.url))
    const lines = existsSync(this.#path) ? readFileSync(this.#path, 'utf8').split('\n').filter(Boolean) : []
    this.#reasons = new Map(lines.map((line): [string, string] => cut(line)))
  }

  /** A test's own line, or that of the test that it is a part of (`TestX` for `TestX/part`). */
  reason(name: string): string | undefined {
    for (let whole = name; whole !== ''; whole = whole.slice(0, Math.max(0, whole.lastIndexOf('/')))) {
      const reason = this.#reasons.get(whole)
      if (reason !== undefined) return reason
    }
    return undefined
  }

  /** Names on the list under which nothing differs any more. Parts that weren't run say nothing. */
  mended(cases: readonly Case[]): string[] {
    const ran = new Set(cases.map(({ name }) => name))
    const covered = differing(cases).map(({ name }) => name)
    return [...this.#reasons.keys()].filter(
      (known) => ran.has(known) && !covered.some((name) => name === known || name.startsWith(`${known}/`)),
    )
  }

  /** The list made anew: what differs now, with what the gateway said. Read it before it is committed. */
  rewrite(cases: readonly Case[]): void {
    const named = new Set(cases.map(({ name }) => name))
    const wholes = new Map<string, string>()
    for (const { name, complaint } of differing(cases)) {
      const whole = [...prefixes(name)].find((prefix) => named.has(prefix)) ?? name
      const before = wholes.get(whole)
      if (before === undefined || before === '') wholes.set(whole, plainly(complaint))
    }
    const lines = [...wholes].map(([name, why]) => `${name}\t${this.reason(name) ?? why}\n`)
    writeFileSync(this.#path, lines.toSorted().join(''))
  }
}

export function differing(cases: readonly Case[]): Case[] {
  return cases.filter(({ direct, through }) => direct !== through)
}

function* prefixes(name: string): Generator<string> {
  for (let at = name.indexOf('/'); at !== -1; at = name.indexOf('/', at + 1)) yield name.slice(0, at)
}

function cut(line: string): [string, string] {
  const at = line.indexOf('\t')
  if (at === -1) throw new Error(`a known difference needs a name, a tab and a reason: ${line}`)
  return [line.slice(0, at), line.slice(at + 1)]
}
