import type { LogLine } from './log-line.ts'
import { objectOf, textOf } from './json-fields.ts'
import { readRecord, type ReadRecord, type ReadRecords } from './audit-record.ts'
import { readPlace, type RecordedPlace } from './upstream-place.ts'

/** One session of the gateway's at the server. */
export interface GatewaySession {
  /** null: the gateway's own, for looks at the catalogue. */
  readonly session: string | null
  readonly principal: string | null
  readonly writer: string
  readonly place: RecordedPlace
  /** `session` of the server's log, once one has been found that is this. */
  claimed: string | null
}

/** A run of a gateway that ended without a word: a read may have gone up whose intent never reached the disk. */
export interface Crash {
  /** Time of its last record. */
  readonly time: number
}

/** What evidence says of itself before it is held against anything. */
export interface EvidenceOutline {
  readonly sessions: GatewaySessions
  readonly crashes: ReadonlyMap<string, Crash>
  readonly records: number
  /** Milliseconds since 1970; null where there are no records. */
  readonly first: number | null
  readonly last: number | null
}

/** How a session of the server's is one of the gateway's, or why not. */
export type Claim =
  | { readonly kind: 'gateway'; readonly owner: GatewaySession }
  /** `near`: what almost fits, in words. */
  | { readonly kind: 'elsewhere'; readonly near: string | null }

export interface ClaimOptions {
  /** How far apart the two hosts' clocks may be. */
  readonly skewMs: number
  /** Addresses are translated between gateway and server: they are not compared. */
  readonly translated: boolean
}

/** By process id: the gateway's sessions at one server. */
export class GatewaySessions {
  readonly #byPid = new Map<number, GatewaySession[]>()
  readonly #servers = new Set<string>()

  add(session: GatewaySession): void {
    const known = this.#byPid.get(session.place.pid)
    if (known === undefined) this.#byPid.set(session.place.pid, [session])
    else known.push(session)
    this.#servers.add(session.place.server)
  }

  /** `host:port` of every server that these sessions are at. */
  get servers(): readonly string[] {
    return [...this.#servers]
  }

  *[Symbol.iterator](): Generator<GatewaySession> {
    for (const sessions of this.#byPid.values()) yield* sessions
  }

  /**
   * Finds the owner of a session that shows up in the log. All must fit: process id, when it was started, role,
   * database, and the address it came from. One session of the gateway's is one of the server's: whoever gets the same
   * process id later comes second.
   */
  claim(line: LogLine, options: ClaimOptions): Claim {
    const candidates = this.#byPid.get(line.pid) ?? []
    const fitting = candidates.filter(({ place }) => startFits(place, line, options))
    const owner = fitting.find(({ place, claimed }) => claimed === null && unlike(place, line, options) === null)
    if (owner !== undefined) {
      owner.claimed = line.session
      return { kind: 'gateway', owner }
    }
    const near = fitting[0]
    if (near !== undefined) {
      const why = unlike(near.place, line, options) ?? `that is ${near.claimed ?? 'another'} in this log`
      return { kind: 'elsewhere', near: `like the gateway's session ${near.session ?? 'of its own'}, but ${why}` }
    }
    const other = candidates.find(({ place }) => unlike(place, line, options) === null)
    if (other === undefined) return { kind: 'elsewhere', near: null }
    const seconds = Math.round((line.started - other.place.opened) / 1000)
    const near2 = `like the gateway's session ${other.session ?? 'of its own'}, but started ${seconds} s after it by the server's clock`
    return { kind: 'elsewhere', near: near2 }
  }
}

/** The log tells starts to the second, cut off. */
function startFits({ opening, opened }: RecordedPlace, { started }: LogLine, { skewMs }: ClaimOptions): boolean {
  return started + 999 >= opening - skewMs && started <= opened + skewMs
}

function unlike(place: RecordedPlace, line: LogLine, { translated }: ClaimOptions): string | null {
  if (line.user !== place.user) return `as role ${line.user}`
  if (line.database !== place.database) return `in database ${line.database}`
  if (translated) return null
  const { client } = place
  if (line.client === null) return client === null ? null : 'over a Unix socket'
  if (client === null) return `from ${line.client.address}`
  if (client.port !== line.client.port || !sameAddress(client.address, line.client.address))
    return `from ${line.client.address}:${line.client.port}`
  return null
}

/** An IPv4 address reads otherwise where it came over a socket for both. */
function sameAddress(one: string, other: string): boolean {
  return plainAddress(one) === plainAddress(other)
}

function plainAddress(address: string): string {
  return address.replace(/^::ffff:/, '').replace(/%.*$/, '')
}

/** Reads evidence once, for the gateway's sessions at the server and the ends of its runs. */
export async function outlineOf(read: ReadRecords, server: string | null): Promise<EvidenceOutline> {
  const outline = new Outline(server)
  for await (const record of read()) outline.add(readRecord(record))
  return outline.end()
}

class Outline {
  readonly #server: string | null
  readonly #sessions = new GatewaySessions()
  /** Of sessions whose connection to the server has not been seen yet. */
  readonly #principals = new Map<string, string>()
  readonly #lastOf = new Map<string, number>()
  readonly #crashes = new Map<string, Crash>()
  #records = 0
  #first: number | null = null
  #last: number | null = null

  constructor(server: string | null) {
    this.#server = server
  }

  add(record: ReadRecord): void {
    const { event, session, writer, time, fields, detail } = record
    this.#records += 1
    this.#first = Math.min(this.#first ?? time, time)
    this.#last = Math.max(this.#last ?? time, time)
    this.#lastOf.set(writer, time)
    const principal = textOf(objectOf(fields['principal'])['id'])
    if (event === 'session.opened' && session !== null && principal !== null) this.#principals.set(session, principal)
    if (event === 'upstream.connected') this.#connected(record)
    if (event === 'session.closed' && session !== null) this.#principals.delete(session)
    if (event === 'writer.recovered') this.#recovered(textOf(detail['writer_id']))
  }

  end(): EvidenceOutline {
    const [records, first, last] = [this.#records, this.#first, this.#last]
    return { sessions: this.#sessions, crashes: this.#crashes, records, first, last }
  }

  #connected({ session, writer, detail }: ReadRecord): void {
    const place = readPlace(detail)
    if (place === undefined || (this.#server !== null && place.server !== this.#server)) return
    const principal = session === null ? null : (this.#principals.get(session) ?? null)
    if (session !== null) this.#principals.delete(session)
    this.#sessions.add({ session, principal, writer, place, claimed: null })
  }

  #recovered(writer: string | null): void {
    const time = writer === null ? undefined : this.#lastOf.get(writer)
    if (writer !== null && time !== undefined) this.#crashes.set(writer, { time })
  }
}
