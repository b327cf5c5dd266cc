import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'
import { expect, onTestFinished, test } from 'vitest'
import { configOf } from '../../../console/vite.config.ts'

test('what is in console/dist is what its sources make (npm run build:console)', async () => {
  const outDir = mkdtempSync(join(tmpdir(), 'countersign-console-'))
  onTestFinished(() => rmSync(outDir, { recursive: true, force: true }))
  for (const app of ['replay', 'console']) {
    const config = configOf(app)
    await build({ ...config, configFile: false, build: { ...config.build, outDir } })
  }
  expect(readdirSync('console/dist').toSorted()).toEqual(readdirSync(outDir).toSorted())
  for (const name of readdirSync(outDir)) {
    expect(readFileSync(join('console/dist', name), 'utf8')).toBe(readFileSync(join(outDir, name), 'utf8'))
  }
})

test('its script asks for nothing and evaluates nothing', () => {
  const script = readFileSync('console/dist/replay.js', 'utf8')
  expect(script).not.toMatch(
    /\bfetch\(|XMLHttpRequest|WebSocket|\beval\(|new Function|innerHTML|document\.write|import\(/,
  )
})

test('the console’s first view is under 200 KB of script, and its style under 20, as they are sent', () => {
  expect(gzipSync(readFileSync('console/dist/console.js')).length).toBeLessThan(200 * 1024)
  expect(gzipSync(readFileSync('console/dist/console.css')).length).toBeLessThan(20 * 1024)
})

test('the console fetches from its own gateway alone, and reads no answer as markup', () => {
  const script = readFileSync('console/dist/console.js', 'utf8')
  expect(script).not.toMatch(/XMLHttpRequest|WebSocket|\beval\(|new Function|innerHTML|document\.write|import\(/)
  expect(script).not.toMatch(/https?:\/\//)
})
