import { spawnSync } from 'node:child_process'

const INSTALL = 'apt-get update -q && apt-get install -y -q postgresql-client'

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
  const installed = spawnSync('sh', ['-c', INSTALL], { encoding: 'utf8' })
  if (answers()) return 'psql'
  throw new Error(`CI needs psql on PATH; ${INSTALL} said: ${installed.stderr}`)
}

function answers(): boolean {
  return spawnSync('psql', ['--version']).status === 0
}
