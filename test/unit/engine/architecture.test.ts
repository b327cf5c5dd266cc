import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const map = readFileSync('ARCHITECTURE.md', 'utf8')

test('ARCHITECTURE.md names every file of the product', () => {
  const files = globSync('{engine,planes,cli,console}/**/*.ts').map((path) => path.split('/').at(-1) ?? '')
  expect(files.length).toBeGreaterThan(150)
  expect(files.filter((name) => !map.includes(name))).toEqual([])
})

test('and none that is gone', () => {
  const there = new Set(
    globSync('**/*.{ts,json,yaml,md}', { exclude: ['node_modules/**'] }).map((path) => path.split('/').at(-1)),
  )
  const named = [...map.matchAll(/`([\w./-]+\.(?:ts|json))`/g)].map(([, path]) => path?.split('/').at(-1) ?? '')
  expect(named.filter((name) => !there.has(name))).toEqual([])
})
