import { spawnSync } from 'node:child_process'

/**
 * Debian's psql, or null with a word of why on a machine that hasn't got it. Where CI=true a missing client is not an
 * excuse: as root it is installed, else it has to be part of the machine's image (`apt-get install postgresql-client`).
 */
export function findPsql(): string | null {
  if (answers()) return 'psql'
  if (process.env['CI'] !== 'true') {
    process.stderr.write('psql is not on PATH, so its tests are skipped; apt-get install postgresql-client\n')
    return null
  }
  const installed = spawnSync('apt-get', ['install', '-y', '-q', 'postgresql-client'], { encoding: 'utf8' })
  if (answers()) return 'psql'
  throw new Error(`CI needs psql on PATH: apt-get install postgresql-client; that said: ${installed.stderr}`)
}

function answers(): boolean {
  return spawnSync('psql', ['--version']).status === 0
}
