import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JsonObject } from '../../../../engine/index.ts'
import { sessionUpstream } from '../../../../planes/postgres/audit/upstream-place.ts'
import { csvRow } from '../../../../planes/postgres/audit/csv.ts'
import {
  reconcile,
  type AuditRecord,
  type Reconciliation,
  type ReconcileOptions,
} from '../../../../planes/postgres/index.ts'

export const NINE: number = Date.parse('2026-11-25T09:00:00.000Z')

export interface Backend {
  readonly pid: number
  readonly port: number
  /** Milliseconds since 1970. */
  readonly started: number
  readonly user?: string
  readonly address?: string
}

/** Evidence and a server's log of the same time, written side by side by a test. */
export class TwoAccounts {
  readonly records: AuditRecord[] = []
  readonly #directory = mkdtempSync(join(tmpdir(), 'countersign-accounts-'))
  readonly #rows = new Map<string, number>()
  #text = ''
  #seq = 0
  now: number = NINE
  /** The server's clock minus the gateway's. */
  skew = 0

  get log(): string {
    return join(this.#directory, 'server.csv')
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }

  record(fields: JsonObject, payload?: JsonObject | null): void {
    this.#seq += 1
    const stamp = { id: `gw.1:${this.#seq}`, writer_id: 'gw.1', ts: new Date(this.now).toISOString() }
    this.records.push({ fields: { ...stamp, ...fields }, payload })
  }

  /** A session of the gateway's, over this backend. */
  session(session: string, { pid, port, started }: Backend): void {
    this.now = Math.max(this.now, started)
    this.record({ event: 'session.opened', session, principal: { id: 'agent' }, detail: { plane: 'postgres' } })
    const server = { host: 'db', port: 5432, database: 'bank', user: 'gateway' }
    const client = { address: '10.0.0.1', port }
    const detail = sessionUpstream(server, { pid, client, opening: started - 5, opened: started + 5 })
    this.record({ event: 'upstream.connected', session, detail })
  }

  decided(session: string, decision: string, statement: string | null, ended = 'outcome.ok'): void {
    const action = { name: 'postgres.select', class: 'read' }
    const payload = statement === null ? null : { block: { kind: 'select', statement } }
    this.record({ event: 'decision.forward', session, decision, action }, payload)
    this.record({ event: ended, session, decision })
  }

  logged(
    { pid, port, started, user = 'gateway', address = '10.0.0.1' }: Backend,
    message: string,
    severity = 'LOG',
  ): void {
    const seconds = Math.floor((started + this.skew) / 1000)
    const session = `${seconds.toString(16)}.${pid.toString(16)}`
    const number = (this.#rows.get(session) ?? 0) + 1
    this.#rows.set(session, number)
    const fields: (string | number | null)[] = [written(this.now + this.skew), user, 'bank', pid, `${address}:${port}`]
    fields.push(
      session,
      number,
      'SELECT',
      written(seconds * 1000).replace('.000', ''),
      null,
      null,
      severity,
      '00000',
      message,
    )
    while (fields.length < 26) fields.push(null)
    this.#text += `${csvRow(fields)}\n`
    if (this.#text.length > 1_000_000) this.flush()
  }

  /** One statement, decided and logged. */
  both(backend: Backend, session: string, decision: string, text: string): void {
    this.decided(session, decision, text)
    this.logged(backend, `execute <unnamed>: ${text}`)
    this.now += 10
  }

  flush(): void {
    appendFileSync(this.log, this.#text)
    this.#text = ''
  }

  async reconcile(options: Partial<ReconcileOptions> = {}): Promise<Reconciliation> {
    if (this.#text === '') writeFileSync(this.log, '', { flag: 'a' })
    this.flush()
    const { records } = this
    return reconcile({
      records: async function* () {
        yield* records
      },
      logs: [this.log],
      from: null,
      to: null,
      server: null,
      skewMs: 5000,
      translated: false,
      ...options,
    })
  }
}

function written(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').replace('Z', ' UTC')
}
