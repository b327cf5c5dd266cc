import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const codesIn = (path: string, pattern: RegExp): string[] =>
  [...readFileSync(path, 'utf8').matchAll(pattern)].map(([, code]) => code ?? '').toSorted()

test('docs/errors.md has one line for each code, and none that is gone', () => {
  const documented = codesIn('docs/errors.md', /^\| `(ERR_[A-Z_]+)` \|/gm)
  const declared = codesIn('engine/errors.ts', /'(ERR_[A-Z_]+)'/g)
  expect(documented).toEqual([...new Set(declared)])
})
