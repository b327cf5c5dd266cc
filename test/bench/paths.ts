import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Stack } from '../support/stack.ts'
import type { Target } from './pgbench.ts'
import { startPgbouncer } from './pgbouncer.ts'

/** A way to the server; `pid` of the process between, whose processor time is counted. */
export interface Path {
  readonly target: Target
  readonly pid: number | null
}

/** Straight to the server, through pgbouncer where there is one, through a bare pipe in Node, through the gateway. */
export async function pathsTo(
  { line, gateway }: Stack,
  directory: string,
  opened: AsyncDisposableStack,
): Promise<readonly Path[]> {
  const direct: Target = { name: 'direct', ...line.upstream }
  const bouncer = await startPgbouncer(direct, directory)
  if (bouncer === null)
    process.stderr.write('without pgbouncer: it is not installed (Debian: apt-get install pgbouncer)\n')
  else opened.defer(() => bouncer.stop())
  const pipe = await startPipe(direct, opened)
  const { user, token } = line.principals.agent
  return [
    { target: direct, pid: null },
    ...(bouncer === null ? [] : [bouncer]),
    pipe,
    { target: { name: 'gateway', ...line.gateway, user, password: token }, pid: gateway.pid },
  ]
}

async function startPipe(direct: Target, opened: AsyncDisposableStack): Promise<Path> {
  const program = fileURLToPath(new URL('pipe.ts', import.meta.url))
  const pipe = spawn(process.execPath, [program, direct.host, String(direct.port)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  opened.defer(() => void pipe.stdin.end())
  const [port]: unknown[] = await once(createInterface({ input: pipe.stdout }), 'line')
  return { target: { ...direct, name: 'pipe', port: Number(port) }, pid: pipe.pid ?? null }
}
