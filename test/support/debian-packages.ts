import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** Programs of other people that tests ask, and the Debian packages that have them. */
const PROGRAMS: Readonly<Record<string, string>> = { '/usr/bin/chromium': 'chromium', '/usr/bin/jq': 'jq' }

/**
 * On CI, where no test may be skipped, brings what is missing, if this is a Debian that lets us. Anywhere else nothing is
 * installed: tests that need one of these say so and are skipped.
 */
export default function installPackages(): void {
  if (process.env['CI'] !== 'true') return
  const missing = Object.entries(PROGRAMS).flatMap(([path, name]) => (existsSync(path) ? [] : [name]))
  if (missing.length === 0) return
  process.stderr.write(`installing ${missing.join(', ')} for the tests\n`)
  for (const args of [['update'], ['install', '-y', ...missing]]) {
    const { status, stderr } = spawnSync('apt-get', args, {
      encoding: 'utf8',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
    if (status !== 0) process.stderr.write(`apt-get ${args.join(' ')} ended with ${status}: ${stderr}\n`)
  }
}
