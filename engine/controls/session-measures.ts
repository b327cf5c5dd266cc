import { numberAt, textAt } from './field.ts'
import { isIntent, verdictOf } from './decision-measures.ts'
import { amount, listed, plural, Share, Tally, type Measure, type Seen } from './measure.ts'

/** Tokens and writers come and go for years; those long gone need not be remembered. */
const MAX_REMEMBERED = 50_000

/** A session is opened for a principal whose credential the log shows being verified before. */
export function sessionsIdentified(): Measure {
  const share = new Share()
  const verified = new Set<string>()
  return {
    take: (seen) => {
      const { event } = seen.record
      const token = textAt(seen.fields, 'principal', 'token_digest')
      if (event === 'identity.verified' && token !== null) remember(verified, token)
      if (event !== 'session.opened' || !seen.inPeriod) return
      const known = token !== null && verified.has(token)
      share.count(seen, known, `its credential (${token ?? 'none'}) was not verified before`)
    },
    result: () => share.result('Sessions opened on a credential verified before'),
  }
}

// The oldest go first: a token lives for hours, and a session is opened seconds after it was verified.
function remember(set: Set<string>, value: string): void {
  set.delete(value)
  set.add(value)
  if (set.size <= MAX_REMEMBERED) return
  const [oldest] = set
  if (oldest !== undefined) set.delete(oldest)
}

export function refusedCredentials(): Measure {
  const tally = new Tally(() => ({ times: 0 }))
  let times = 0
  return {
    take: ({ record: { event }, fields, inPeriod }) => {
      if (!inPeriod || event !== 'identity.rejected') return
      times += 1
      tally.row(textAt(fields, 'detail', 'code') ?? 'unnamed').times += 1
    },
    result: () => {
      const rows = tally.breakdown(
        ['Reason (docs/errors.md)', 'Times'],
        (row) => row.times,
        (row) => [amount(row.times)],
      )
      return listed('Credentials refused, by reason', `${amount(times)} refused`, rows)
    },
  }
}

/** By who vouched for them: which provider, for what kind of principal. */
export function identitiesByIssuer(): Measure {
  const tally = new Tally(() => ({ times: 0, ids: new Set<string>() }))
  return {
    take: ({ record: { event }, fields, inPeriod }) => {
      if (!inPeriod || event !== 'identity.verified') return
      const kind = textAt(fields, 'principal', 'kind') ?? 'unnamed kind'
      const row = tally.row(`${textAt(fields, 'principal', 'issuer') ?? 'unnamed'} (${kind})`)
      row.times += 1
      remember(row.ids, textAt(fields, 'principal', 'id') ?? 'unnamed')
    },
    result: () => {
      const rows = tally.breakdown(
        ['Vouched for by', 'Identities', 'Credentials verified'],
        (row) => row.times,
        (row) => [amount(row.ids.size), amount(row.times)],
      )
      return listed('Identities by the provider that vouched for them', plural(tally.size, 'provider and kind'), rows)
    },
  }
}

/** Each agent once, at the first session or decision in the period that shows it. */
export function agentsWithOwner(): Measure {
  const share = new Share()
  const known = new Set<string>()
  return {
    take: (seen) => {
      if (!seen.inPeriod || textAt(seen.fields, 'principal', 'kind') !== 'agent') return
      const id = textAt(seen.fields, 'principal', 'id') ?? 'unnamed'
      if (known.has(id)) return
      remember(known, id)
      const owner = textAt(seen.fields, 'principal', 'owner')
      share.count(seen, owner !== null && owner !== '', `agent ${id} has no owner in its token`)
    },
    result: () => share.result('Agents seen that have an owner'),
  }
}

/** Nothing is let through on a credential whose time is over. */
export function credentialsLive(): Measure {
  const share = new Share()
  return {
    take: (seen) => {
      if (!seen.inPeriod || !isIntent(seen)) return
      const expires = numberAt(seen.fields, 'principal', 'expires_at')
      const lateUs = numberAt(seen.fields, 'detail', 'took_us') ?? numberAt(seen.fields, 'detail', 'waited_us') ?? 0
      const live = expires !== null && Date.parse(seen.record.ts) - lateUs / 1000 < expires * 1000
      const when = expires === null ? 'has no end' : `ended ${new Date(expires * 1000).toISOString()}`
      share.count(seen, live, `its credential ${when}`)
    },
    result: () => share.result('Requests let through on a credential that had not expired'),
  }
}

interface OpenSession {
  readonly opened: Seen
  readonly writer: string
  intents: number
  decisions: number
  recorded: boolean
}

/** Sessions from their first record to their last; the state of those that are open is all that is held. */
class Sessions {
  readonly #open = new Map<string, OpenSession>()
  readonly #end: (session: OpenSession, closed: boolean) => void

  constructor(end: (session: OpenSession, closed: boolean) => void) {
    this.#end = end
  }

  take(seen: Seen): void {
    const { session, event, recording, writerId } = seen.record
    if (event === 'writer.closed') this.#endAll(textAt(seen.fields, 'detail', 'writer_id'))
    if (session === null) return
    if (event === 'session.opened') {
      this.#open.set(session, { opened: seen, writer: writerId, intents: 0, decisions: 0, recorded: false })
    }
    const state = this.#open.get(session)
    if (state === undefined) return
    if (recording !== null || textAt(seen.fields, 'outcome', 'answer') !== null) state.recorded = true
    if (verdictOf(seen) !== null) state.decisions += 1
    if (isIntent(seen)) state.intents += 1
    if (event !== 'session.closed') return
    this.#open.delete(session)
    this.#end(state, true)
  }

  // A writer that ended has no sessions any more: those without an end of their own died with it.
  #endAll(writer: string | null): void {
    for (const [id, state] of this.#open) {
      if (state.writer !== writer) continue
      this.#open.delete(id)
      this.#end(state, false)
    }
  }
}

/** A session in which something was let through has frames that its own records name. */
export function sessionsRecorded(): Measure {
  const share = new Share()
  const sessions = new Sessions(({ opened, intents, recorded }, closed) => {
    if (opened.inPeriod && intents > 0) {
      const ended = closed ? '' : '; its run crashed, and the next one bound the run’s recording as a whole'
      share.count(opened, recorded, `${plural(intents, 'request')} let through, no recording named${ended}`)
    }
  })
  return {
    take: (seen) => sessions.take(seen),
    result: () => share.result('Ended sessions with requests let through whose recording the records name'),
  }
}

/** Ended by its own record, and not by the end of the process that held it. */
export function sessionsClosed(): Measure {
  const share = new Share()
  const sessions = new Sessions(({ opened }, closed) => {
    if (opened.inPeriod) share.count(opened, closed, 'the gateway ended before it did')
  })
  return {
    take: (seen) => sessions.take(seen),
    result: () => share.result('Ended sessions with a recorded start and end'),
  }
}

export function decisionsPerSession(): Measure {
  const tally = new Tally(() => ({ sessions: 0, decisions: 0 }))
  let ended = 0
  const sessions = new Sessions(({ opened, decisions }) => {
    if (!opened.inPeriod) return
    ended += 1
    const row = tally.row(textAt(opened.fields, 'principal', 'id') ?? 'unnamed')
    row.sessions += 1
    row.decisions += decisions
  })
  return {
    take: (seen) => sessions.take(seen),
    result: () => {
      const rows = tally.breakdown(
        ['Principal', 'Ended sessions', 'Decisions in them'],
        (row) => row.decisions,
        (row) => [amount(row.sessions), amount(row.decisions)],
      )
      return listed('Decisions in each principal’s sessions', plural(ended, 'ended session'), rows)
    },
  }
}

/** The client's leg alone: what stands between the gateway and the server isn't recorded. */
export function clientsUnderTls(): Measure {
  const share = new Share()
  return {
    take: (seen) => {
      if (!seen.inPeriod || seen.record.event !== 'session.opened') return
      const version = textAt(seen.fields, 'detail', 'client', 'tls')
      share.count(seen, version !== null, 'the client came without TLS, or its plane does not tell')
    },
    result: () => share.result('Sessions whose client came over TLS'),
  }
}
