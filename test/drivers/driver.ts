import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findPsql } from '../support/psql.ts'
import { findPython } from '../support/python.ts'

/** A driver and its program: a command that takes names of steps and prints a line of JSON for each that it has. */
export interface Driver {
  readonly name: string
  /** The command, built where it has to be; null, with a word of why, where the machine lacks what it needs. */
  readonly command: () => readonly string[] | null
}

const PROGRAMS = fileURLToPath(new URL('programs/', import.meta.url))
const CACHE = fileURLToPath(new URL('../../.cache/', import.meta.url))
const PGJDBC = '42.7.14'

const program = (name: string): string => join(PROGRAMS, name)
const node =
  (name: string): Driver['command'] =>
  () => [process.execPath, program(name)]
const python =
  (name: string, ...packages: readonly string[]): Driver['command'] =>
  () => {
    const found = findPython({ whole: packages })
    return found === null ? null : [found, '-B', program(name)]
  }

const PSYCOPG = 'psycopg[binary]==3.3.9'

export const DRIVERS: readonly Driver[] = [
  { name: 'psql', command: () => (findPsql() === null ? null : [process.execPath, program('psql.ts')]) },
  { name: 'pg_dump', command: () => (findPsql() === null ? null : [process.execPath, program('pg-dump.ts')]) },
  { name: 'node-postgres', command: node('node-postgres.ts') },
  { name: 'postgres.js', command: node('postgres-js.ts') },
  { name: 'psycopg', command: python('psycopg_steps.py', PSYCOPG) },
  { name: 'asyncpg', command: python('asyncpg_steps.py', 'asyncpg==0.32.0') },
  { name: 'sqlalchemy', command: python('sqlalchemy_steps.py', 'sqlalchemy==2.1.9', PSYCOPG) },
  { name: 'pgx', command: pgx },
  { name: 'pgjdbc', command: pgjdbc },
]

/** Built once into .cache, beside its place and moved there when whole. */
function pgx(): readonly string[] | null {
  if (!answers('go', ['version'])) return missing('pgx', 'go, 1.26 or newer: https://go.dev/dl')
  const directory = program('pgx')
  return [
    built(
      'drivers-pgx',
      ['go.mod', 'go.sum', 'main.go'].map((name) => join(directory, name)),
      (place) => run('go', ['build', '-trimpath', '-buildvcs=false', '-o', place, '.'], directory),
    ),
  ]
}

function pgjdbc(): readonly string[] | null {
  if (!answers('javac', ['-version']) || !answers('mvn', ['-version']))
    return missing('pgjdbc', 'a JDK of 17 or newer and Maven: apt-get install default-jdk-headless maven')
  const source = program('jdbc/Steps.java')
  const classes = built('drivers-jdbc', [source], (place) => {
    const artifact = `org.postgresql:postgresql:${PGJDBC}`
    run('mvn', ['-q', '-B', 'dependency:copy', `-Dartifact=${artifact}`, `-DoutputDirectory=${place}`])
    run('javac', ['-encoding', 'UTF-8', '-cp', join(place, `postgresql-${PGJDBC}.jar`), '-d', place, source])
  })
  return ['java', '-cp', `${classes}:${join(classes, `postgresql-${PGJDBC}.jar`)}`, 'Steps']
}

function built(name: string, sources: readonly string[], build: (place: string) => void): string {
  const hash = createHash('sha256').update(PGJDBC)
  for (const source of sources) hash.update(readFileSync(source))
  const place = join(CACHE, `${name}-${hash.digest('hex').slice(0, 16)}`)
  if (existsSync(place)) return place
  mkdirSync(CACHE, { recursive: true })
  const unfinished = `${place}.${process.pid}`
  build(unfinished)
  rmSync(place, { recursive: true, force: true })
  renameSync(unfinished, place)
  return place
}

const answers = (command: string, args: readonly string[]): boolean => spawnSync(command, [...args]).status === 0

function missing(name: string, what: string): null {
  process.stderr.write(`${name} is left out: it needs ${what}\n`)
  return null
}

function run(command: string, args: readonly string[], cwd?: string): void {
  const { status, stdout, stderr } = spawnSync(command, [...args], {
    encoding: 'utf8',
    ...(cwd === undefined ? {} : { cwd }),
  })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stderr}${stdout}`)
}
