import { createPrivateKey } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { rulesOf } from '../engine/controls/index.ts'
import { bundleDigest, openBundle, signBundle, UNHURRIED } from '../engine/policy/index.ts'
import type { BundleTrust } from '../engine/policy/index.ts'
import { parseDuration } from '../engine/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { EXIT, UsageError } from './exit.ts'
import { compile, findingsOf, findingsText, json, PACK_OPTIONS, withCompiler } from './policy-compiler.ts'
import { printable } from './printable.ts'

const BUILD_USAGE = `usage: countersign policy build --out BUNDLE [--pack FILE] [--revision R] [--git-revision R [--git-dirty]] [--json]

Checks the pack and compiles it to a bundle: the same sources give the same bytes, on any machine.

exit: 0 written, 1 findings and nothing written
`

/** `countersign policy build`. */
export async function buildCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const options = {
    ...PACK_OPTIONS,
    out: { type: 'string' },
    revision: { type: 'string' },
    'git-revision': { type: 'string' },
    'git-dirty': { type: 'boolean', default: false },
  } as const
  const { values, positionals } = commandLine(BUILD_USAGE, options, argv)
  if (values.help) return help(io, BUILD_USAGE)
  const { out } = values
  if (out === undefined || positionals.length > 0) throw wrongUsage('build takes --out and no argument', BUILD_USAGE)
  const args = ['build', '--pack', values.pack, '--out', out]
  if (values.revision !== undefined) args.push('--revision', values.revision)
  if (values['git-revision'] !== undefined) args.push('--git-revision', values['git-revision'])
  if (values['git-dirty']) args.push('--git-dirty')
  return withCompiler(io, async () => {
    const { clean, report } = await compile(args)
    const text = clean
      ? `${out}: revision ${String(report.revision)}, SHA-256 ${String(report.sha256)}, ${String(report.rules)} rules\n`
      : findingsText(findingsOf(report))
    io.stdout.write(values.json ? json(report) : text)
    return clean ? EXIT.ok : EXIT.failed
  })
}

const SIGN_USAGE = `usage: countersign policy sign BUNDLE --key PEM --out FILE [--key-id ID] [--algorithm EdDSA] [--json]

Signs a bundle over all its files, as OPA does; an older signature is replaced.

  --key PEM        the private key (PKCS#8)
  --algorithm ALG  EdDSA (default), ES256, RS256 or PS256
  --key-id ID      what verifiers may ask for (default main)
`

/** `countersign policy sign`. */
export async function signCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const options = {
    key: { type: 'string' },
    out: { type: 'string' },
    'key-id': { type: 'string', default: 'main' },
    algorithm: { type: 'string', default: 'EdDSA' },
    json: { type: 'boolean', default: false },
  } as const
  const { values, positionals } = commandLine(SIGN_USAGE, options, argv)
  if (values.help) return help(io, SIGN_USAGE)
  const [bundle, ...rest] = positionals
  const { key, out } = values
  if (bundle === undefined || rest.length > 0 || key === undefined || out === undefined) {
    throw wrongUsage('sign takes one bundle, --key and --out', SIGN_USAGE)
  }
  const signed = await signBundle(await bytesOf(bundle), await privateKey(key), values.algorithm, values['key-id'])
  await writeFile(out, signed)
  const digest = await bundleDigest(out)
  const report = { ok: true, file: out, digest, key_id: values['key-id'], algorithm: values.algorithm }
  io.stdout.write(
    values.json ? json(report) : `${out}: signed by ${values['key-id']} (${values.algorithm}), digest ${digest}\n`,
  )
  return EXIT.ok
}

const VERIFY_USAGE = `usage: countersign policy verify BUNDLE --key PEM [--key-id ID] [--algorithm EdDSA] [--slowest 250ms] [--json]

Opens a bundle as the gateway would: signature, module, builtins, data, self-test.

  --slowest DURATION  the most that a decision over the largest request may take (default 250ms)

exit: 0 it opens, 1 it does not
`

/** `countersign policy verify`. */
export async function verifyCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const options = {
    key: { type: 'string' },
    'key-id': { type: 'string' },
    slowest: { type: 'string', default: '250ms' },
    algorithm: { type: 'string', default: 'EdDSA' },
    json: { type: 'boolean', default: false },
  } as const
  const { values, positionals } = commandLine(VERIFY_USAGE, options, argv)
  if (values.help) return help(io, VERIFY_USAGE)
  const [bundle, ...rest] = positionals
  if (bundle === undefined || rest.length > 0 || values.key === undefined) {
    throw wrongUsage('verify takes one bundle and --key', VERIFY_USAGE)
  }
  const keyId = values['key-id'] === undefined ? {} : { keyId: values['key-id'] }
  const key = (await bytesOf(values.key)).toString('utf8')
  const trust: BundleTrust = { kind: 'signed', key, algorithm: values.algorithm, ...keyId }
  const slowestMs = parseDuration(values.slowest)
  if (slowestMs === undefined) throw wrongUsage('--slowest: expected a duration such as 250ms', VERIFY_USAGE)
  const opened = await openBundle(bundle, trust, { slowestMs }).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error) return error
    throw error
  })
  if (opened instanceof Error) {
    io.stdout.write(
      values.json ? json({ ok: false, code: codeOf(opened), message: opened.message }) : `${opened.message}\n`,
    )
    return EXIT.failed
  }
  const { revision, digest } = opened.reference
  io.stdout.write(
    values.json ? json({ ok: true, revision, digest }) : `${bundle}: revision ${revision}, digest ${digest}\n`,
  )
  return EXIT.ok
}

const INSPECT_USAGE = `usage: countersign policy inspect BUNDLE [--json]

What a bundle says of itself: revision, digest, rules and the controls that each evidences. No signature is checked.
`

/** `countersign policy inspect`. */
export async function inspectCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = commandLine(INSPECT_USAGE, { json: { type: 'boolean', default: false } }, argv)
  if (values.help) return help(io, INSPECT_USAGE)
  const [bundle, ...rest] = positionals
  if (bundle === undefined || rest.length > 0) throw wrongUsage('inspect takes one bundle', INSPECT_USAGE)
  const { reference, metadata } = await openBundle(bundle, { kind: 'unsigned' }, UNHURRIED)
  const { self_test: vectors, ...about } = metadata
  const report = { ...reference, ...about, self_tests: Array.isArray(vectors) ? vectors.length : 0 }
  if (values.json) {
    io.stdout.write(json(report))
    return EXIT.ok
  }
  const rules = rulesOf(metadata).map(
    ({ id, title, controls }) => `  ${id}: ${printable(title)}\n      ${controls.join(', ')}\n`,
  )
  io.stdout.write(
    `revision ${reference.revision}\ndigest   ${reference.digest}\ncompiler ${typeof about.compiler === 'string' ? about.compiler : 'unknown'}\n` +
      `self-tests ${report.self_tests}\n\nrules, and the controls that each evidences:\n${rules.join('')}`,
  )
  return EXIT.ok
}

async function bytesOf(path: string): Promise<Buffer> {
  return readFile(path).catch((error: unknown) => {
    throw new UsageError(`${path} can't be read: ${error instanceof Error ? error.message : 'unknown'}`)
  })
}

async function privateKey(path: string) {
  try {
    return createPrivateKey(await bytesOf(path))
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(`--key: expected a private key as PEM; ${path} is none`)
  }
}

function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : 'unknown'
}

function help(io: CommandIo, usage: string): number {
  io.stdout.write(usage)
  return EXIT.ok
}
