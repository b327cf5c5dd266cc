import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Finding, waysAround } from '../planes/sqs/index.ts'
import type { CommandIo } from './command.ts'
import { explain } from './exit.ts'

/** Files that are looked at, and how much of a program: enough for an agent's own sources, not for all that it installs. */
const READ =
  /(?:\.(?:[cm]?[jt]sx?|py|go|java|kt|properties|ya?ml|json|toml|ini|env|txt|xml|gradle|kts|mod)|(?:^|\/)\.env[^/]*)$/
const PASSED_OVER: ReadonlySet<string> = new Set(['node_modules', '.git', 'vendor', 'target', 'dist', '.venv', 'venv'])
const MAX_FILES = 5000
const MAX_BYTES = 1024 * 1024

/** On an agent's host and in its environment: would its AWS SDK go to the gateway? `source`: the agent's program. */
export async function agentFindings(
  gateway: string,
  source: string | undefined,
  env: CommandIo['env'],
): Promise<readonly Finding[]> {
  const unknown: Finding[] = []
  const note = (error: unknown, remedy: string): void =>
    void unknown.push({ kind: 'unknown', what: explain(error), remedy })
  const profiles = await profilesOf(env).catch((error: unknown) => {
    note(error, 'run it as the agent’s own user')
    return {}
  })
  const files: Record<string, string> = {}
  if (source !== undefined) {
    await collect(source, '', files).catch((error: unknown) => note(error, 'name the directory of the agent’s program'))
    if (Object.keys(files).length >= MAX_FILES)
      note(
        new Error(`${source} has more than ${MAX_FILES} files: not all were looked at`),
        'name the program’s own directory',
      )
  }
  return [...waysAround({ gateway, env, profiles, files }), ...unknown]
}

/** As the AWS SDKs read them, from where they find them. */
async function profilesOf(env: CommandIo['env']): Promise<Record<string, Record<string, string | undefined>>> {
  const { loadSharedConfigFiles } = await import('@smithy/core/config')
  const { AWS_CONFIG_FILE: configFilepath, AWS_SHARED_CREDENTIALS_FILE: filepath } = env
  const { configFile, credentialsFile } = await loadSharedConfigFiles({
    ignoreCache: true,
    ...(configFilepath === undefined ? {} : { configFilepath }),
    ...(filepath === undefined ? {} : { filepath }),
  })
  const names = new Set([...Object.keys(configFile), ...Object.keys(credentialsFile)])
  return Object.fromEntries([...names].map((name) => [name, { ...configFile[name], ...credentialsFile[name] }]))
}

async function collect(root: string, under: string, files: Record<string, string>): Promise<void> {
  for (const entry of await readdir(join(root, under), { withFileTypes: true })) {
    if (Object.keys(files).length >= MAX_FILES) return
    const name = under === '' ? entry.name : `${under}/${entry.name}`
    if (entry.isDirectory() && !PASSED_OVER.has(entry.name)) await collect(root, name, files)
    if (!entry.isFile() || !READ.test(name)) continue
    const { size } = await stat(join(root, name))
    if (size <= MAX_BYTES) files[name] = await readFile(join(root, name), 'utf8')
  }
}
