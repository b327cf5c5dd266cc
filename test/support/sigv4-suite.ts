import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** One of AWS's published vectors: a request as it stands on the wire, and the Authorization that it must get. */
export interface SignatureVector {
  readonly name: string
  readonly method: string
  readonly target: string
  /** Names and values in turn, as they came. */
  readonly headers: readonly string[]
  readonly body: string
  readonly authorization: string
}

const CACHE = fileURLToPath(new URL('../../.cache/', import.meta.url))
/** Carries AWS's suite in its source distribution. */
const RELEASE = 'botocore-1.40.0'
const INSIDE = `${RELEASE}/tests/unit/auth/aws4_testsuite`

/** Fetched once from PyPI into .cache; null where there is no Python to fetch it with. */
export function signatureVectors(): readonly SignatureVector[] | null {
  const home = join(CACHE, `sigv4-${RELEASE}`)
  if (!existsSync(home) && !fetched(home)) return null
  return globSync('**/*.req', { cwd: home })
    .toSorted()
    .map((file) => readVector(join(home, file)))
}

function fetched(home: string): boolean {
  const unfinished = `${home}.${process.pid}`
  mkdirSync(unfinished, { recursive: true })
  const pip = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--no-binary', ':all:']
  const told = spawnSync('python3', [...pip, '--dest', unfinished, RELEASE.replace('-', '==')], { encoding: 'utf8' })
  if (told.error !== undefined) return false
  if (told.status !== 0) throw new Error(`AWS's vectors can't be fetched: ${told.stderr}`)
  const archive = join(unfinished, `${RELEASE}.tar.gz`)
  const untold = spawnSync('tar', ['-xzf', archive, '-C', unfinished, INSIDE], { encoding: 'utf8' })
  if (untold.status !== 0) throw new Error(`AWS's vectors can't be unpacked: ${untold.stderr}`)
  renameSync(join(unfinished, INSIDE), home)
  rmSync(unfinished, { recursive: true })
  return true
}

function readVector(file: string): SignatureVector {
  const [head = '', ...rest] = readFileSync(file, 'utf8').split('\n\n')
  const [first = '', ...lines] = head.split('\n')
  const [, method = '', target = ''] = /^(\S+) (.*) HTTP\/1\.1$/.exec(first) ?? []
  const headers = lines
    .join('\n')
    .replaceAll(/\n[ \t]+/g, '\u0000')
    .split('\n')
    .filter((line) => line !== '')
  return {
    name: basename(file, '.req'),
    method,
    target,
    headers: headers.flatMap((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
    body: rest.join('\n\n'),
    authorization: readFileSync(file.replace(/\.req$/, '.authz'), 'utf8').trim(),
  }
}
