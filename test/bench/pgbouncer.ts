import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync } from 'node:fs'
import { chmod, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../support/free-port.ts'
import type { Target } from './pgbench.ts'

/** Where Debian's package puts it. */
const PROGRAM = '/usr/sbin/pgbouncer'
/** It refuses to run as root. */
const NOBODY = 65534
const START_MS = 10_000

export interface Bouncer {
  readonly target: Target
  readonly pid: number
  stop(): Promise<void>
}

/**
 * A pgbouncer in front of the server, as others run it between clients and PostgreSQL: session pooling, prepared
 * statements passed through. It asks nobody for a password, so it has less to do than the gateway. Null where there is none.
 */
export async function startPgbouncer(server: Target, directory: string): Promise<Bouncer | null> {
  if (!isInstalled()) return null
  const port = await freePort()
  const file = join(directory, 'pgbouncer.ini')
  await writeFile(file, settings(server, port), { mode: 0o644 })
  await chmod(directory, 0o755)
  const asNobody = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}
  const child = spawn(PROGRAM, ['--quiet', file], { stdio: 'ignore', ...asNobody })
  const exited = once(child, 'exit')
  await untilListening(port, exited)
  return {
    target: { ...server, name: 'pgbouncer', port },
    pid: child.pid ?? 0,
    stop: async () => {
      child.kill('SIGTERM')
      await exited
    },
  }
}

function isInstalled(): boolean {
  try {
    accessSync(PROGRAM)
    return true
  } catch {
    return false
  }
}

function settings({ host, port, user, password, database }: Target, listen: number): string {
  return `[databases]
${database} = host=${host} port=${port} dbname=${database} user=${user} password=${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${listen}
unix_socket_dir =
auth_type = any
pool_mode = session
default_pool_size = 100
max_client_conn = 200
server_tls_sslmode = disable
ignore_startup_parameters = extra_float_digits
`
}

async function untilListening(port: number, exited: Promise<unknown>): Promise<void> {
  for (const deadline = Date.now() + START_MS; Date.now() < deadline;) {
    if ((await Promise.race([exited, sleep(50, null)])) !== null) break
    const socket = connect({ host: '127.0.0.1', port })
    const answered = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (answered) return
  }
  throw new Error(`pgbouncer did not come to listen on port ${port}`)
}
