import type { DatabaseSync } from 'node:sqlite'
import type { LinePlace } from '../evidence/index.ts'
import { erasedTopic, EXPORTED_TOPIC, KEY_TOPIC, POLICY_TOPIC, sessionTopic, viewedTopic } from './topics.ts'

/** Where records of one writer begin. */
export interface RecordPlaces {
  readonly writer: string
  readonly places: readonly LinePlace[]
}

/** Frames of one writer from a place on to the one of seq `last`, among which some are of the session. */
export interface FramePlaces {
  readonly writer: string
  readonly from: LinePlace
  readonly last: number
}

/** Where everything is that one session's replay is made from; records beside its own may have nothing to do with it. */
export interface SessionPlaces {
  readonly records: readonly RecordPlaces[]
  readonly frames: readonly FramePlaces[]
}

export function placesOf(database: DatabaseSync, session: string): SessionPlaces | null {
  const topic = database.prepare('SELECT n FROM names WHERE name = ?').get(sessionTopic(session))
  const own = { topic: Number(topic?.['n'] ?? -1) }
  const writers = database.prepare(OWN_WRITERS).all(own)
  if (writers.length === 0) return null
  const erased = writers.map(({ id }) => erasedTopic(String(id)))
  const beside = JSON.stringify([viewedTopic(session), KEY_TOPIC, EXPORTED_TOPIC, ...erased])
  const records = database.prepare(RECORDS).all({ ...own, beside })
  const found = records.map((row) => ({
    writer: String(row['writer']),
    seq: Number(row['seq']) - 1,
    at: Number(row['at']),
  }))
  return {
    records: [...Map.groupBy(found, ({ writer }) => writer)].map(([writer, places]) => ({
      writer,
      places: places.map(({ seq, at }) => ({ seq, at })),
    })),
    frames: database
      .prepare(STRETCHES)
      .all(own)
      .map(({ writer, seq, at, last }) => ({
        writer: String(writer),
        from: { seq: Number(seq), at: Number(at) },
        last: Number(last),
      })),
  }
}

/** More than a page can be handed of one session. */
const MOST_RECORDS = 200_000
const OWN = `SELECT n FROM topics WHERE topic = :topic LIMIT ${MOST_RECORDS}`
const OWN_WRITERS = `SELECT DISTINCT w.id FROM records r JOIN writers w ON w.n = r.writer WHERE r.n IN (${OWN})`
// Its own; what is about the approvals that its own name; of each policy, when it came into force last before its end.
const RECORDS = `WITH own AS (${OWN}),
  policies AS (SELECT max(t.n) AS n FROM names JOIN topics t ON t.topic = names.n JOIN records r ON r.n = t.n
    WHERE names.name >= '${POLICY_TOPIC}' AND names.name < '${POLICY_TOPIC.slice(0, -1)};'
      AND r.ts <= (SELECT max(ts) FROM records WHERE n IN (SELECT n FROM own)) GROUP BY t.topic),
  beside AS (SELECT approval AS topic FROM session_approvals WHERE session = :topic
    UNION SELECT names.n FROM json_each(:beside) JOIN names ON name = value),
  found AS (SELECT n FROM own UNION SELECT n FROM policies
    UNION SELECT topics.n FROM beside JOIN topics USING (topic))
  SELECT w.id AS writer, r.seq, r.at FROM found JOIN records r ON r.n = found.n JOIN writers w ON w.n = r.writer
  ORDER BY w.id, r.seq`
const STRETCHES = `SELECT w.id AS writer, s.seq, s.at, s.last FROM stretches s JOIN writers w ON w.n = s.writer
  WHERE s.session = :topic ORDER BY w.id, s.seq`
