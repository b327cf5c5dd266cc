import { statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { EVENT_NAMES, type EvidenceSource } from '../evidence/index.ts'
import { decisionOf, decisionsOf, numberOrNull } from './decisions.ts'
import type { Meter } from './meter.ts'
import { placesOf } from './places.ts'
import type { Choices, DayVerdicts, QuestionName, Questions, Standing } from './questions.ts'
import { citedOf, eventsOf, recordsOf, toldOf } from './records.ts'
import { agentsOf, metBy, sessionOf, sessionsOf } from './sessions.ts'

export interface Library {
  readonly database: DatabaseSync
  readonly source: EvidenceSource
  readonly meter: Meter
  readonly path: string
  readonly caughtUp: () => boolean
  /** Resolves when all that was in evidence by now has been taken in. */
  readonly fresh: () => Promise<void>
}

type Answers = {
  readonly [Name in QuestionName]: (
    asked: Questions[Name]['asked'],
  ) => Questions[Name]['answer'] | Promise<Questions[Name]['answer']>
}

/** What a filter offers at most of a kind. */
const MOST_CHOICES = 500

/** An answer for each question. */
export function answersOf({ database, source, meter, path, caughtUp, fresh }: Library): Answers {
  return {
    decisions: (filter) => decisionsOf(database, filter),
    decision: async ({ id, payload }) => {
      const decision = decisionOf(database, id)
      return decision === null ? null : { decision, records: await recordsOf(database, source, id, payload) }
    },
    sessions: (filter) => sessionsOf(database, filter),
    session: ({ id }) => sessionOf(database, id),
    replay: async ({ id }) => {
      await fresh()
      return placesOf(database, id)
    },
    agents: ({ limit }) => agentsOf(database, limit),
    met: ({ agent }) => metBy(database, agent),
    told: (asked) => toldOf(database, source, asked),
    cited: (asked) => citedOf(database, source, asked),
    events: ({ from, to }) => eventsOf(database, from, to),
    verdicts: ({ from }) => verdictsOf(database, from),
    choices: () => choicesOf(database),
    standing: () => standingOf(database, path, caughtUp()),
    measured: () => meter.read(),
  }
}

function verdictsOf(database: DatabaseSync, from: string): readonly DayVerdicts[] {
  const rows = database
    .prepare('SELECT day, event, sum(records) AS records FROM days WHERE day >= ? GROUP BY day, event ORDER BY day')
    .all(from)
  return rows.flatMap(({ day, event, records }) => {
    const name = EVENT_NAMES[Number(event)] ?? ''
    if (!name.startsWith('decision.')) return []
    return { day: String(day), verdict: name.slice('decision.'.length), records: Number(records) }
  })
}

function choicesOf(database: DatabaseSync): Choices {
  const texts = (sql: string): readonly string[] =>
    database
      .prepare(`${sql} LIMIT ?`)
      .all(MOST_CHOICES)
      .map(({ name }) => String(name))
  return {
    agents: texts('SELECT n.name AS name FROM agents g JOIN names n ON n.n = g.agent ORDER BY n.name'),
    planes: texts(
      'SELECT name FROM names WHERE n IN (SELECT DISTINCT plane FROM (SELECT plane FROM sessions ORDER BY n DESC LIMIT 20000))',
    ),
    rules: texts('SELECT DISTINCT rule AS name FROM ruling_rules ORDER BY rule'),
    controls: texts('SELECT DISTINCT control AS name FROM ruling_controls ORDER BY control'),
  }
}

function standingOf(database: DatabaseSync, path: string, caughtUp: boolean): Standing {
  const one = (sql: string): number => Number(database.prepare(sql).get()?.['count'] ?? 0)
  const newest = database.prepare('SELECT ts FROM records ORDER BY n DESC LIMIT 1').get()
  return {
    records: one('SELECT coalesce(max(n), 0) AS count FROM records'),
    decisions: one('SELECT coalesce(max(n), 0) AS count FROM decisions'),
    live: one('SELECT count(*) AS count FROM sessions WHERE closed IS NULL'),
    newest: numberOrNull(newest?.['ts']),
    caughtUp,
    bytes: statSync(path, { throwIfNoEntry: false })?.size ?? 0,
  }
}
