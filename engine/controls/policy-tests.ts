import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { JsonObject, JsonValue } from '../access-request.ts'
import { ConfigError } from '../errors.ts'
import { listAt, textAt } from './field.ts'

/** Rule → the tests that expect it to speak, by name. */
export type TestsByRule = ReadonlyMap<string, ReadonlySet<string>>

/** The self-tests that a bundle carries: run each time it is loaded. */
export function selfTestsOf({ self_test: vectors }: JsonObject): TestsByRule {
  const tests = new Map<string, Set<string>>()
  for (const vector of listAt(vectors)) {
    addCase(tests, `self-test ${textAt(vector, 'name') ?? 'unnamed'}`, vector)
  }
  return tests
}

/**
 * Tests in a directory: cases as JSON (`answer` or `result` with the wanted reasons) and Rego's own (`*_test.rego`, by the
 * rules whose id a `test_…` rule names). Others' JSON is passed over. Throws ConfigError where the directory can't be read.
 */
export async function testsIn(directory: string): Promise<TestsByRule> {
  const tests = new Map<string, Set<string>>()
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch((cause: unknown) => {
    const message = `${directory}: expected a directory of policy tests; found none that can be read`
    throw new ConfigError('ERR_CONFIG_FILE', message, { cause })
  })
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    const name = path.slice(directory.length).replace(/^\//, '')
    if (!entry.isFile()) continue
    if (name.endsWith('.json')) addCase(tests, name, parsed(await readFile(path, 'utf8')))
    else if (name.endsWith('_test.rego')) addRego(tests, name, await readFile(path, 'utf8'))
  }
  return tests
}

function addCase(tests: Map<string, Set<string>>, name: string, value: JsonValue): void {
  for (const answer of ['answer', 'result']) {
    for (const reason of listAt(value, answer, 'reasons')) add(tests, textAt(reason, 'rule'), name)
  }
}

function addRego(tests: Map<string, Set<string>>, name: string, text: string): void {
  for (const body of text.split(/^(?=test_\w+)/m)) {
    const test = /^test_\w+/.exec(body)?.[0]
    if (test === undefined) continue
    for (const [, rule = ''] of body.matchAll(/"([a-z][\w-]*)"/g)) add(tests, rule, `${name}: ${test}`)
  }
}

function add(tests: Map<string, Set<string>>, rule: string | null, name: string): void {
  if (rule === null) return
  const known = tests.get(rule) ?? new Set()
  tests.set(rule, known.add(name))
}

function parsed(text: string): JsonValue {
  try {
    const value: JsonValue = JSON.parse(text)
    return value
  } catch {
    return null
  }
}
