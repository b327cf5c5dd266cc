import { rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

/** Told by `user_version`: an index of another version is made anew, since all that is in it is in evidence. */
const VERSION = 3

/**
 * What pages ask of evidence, and where in it the whole is. Nothing here is the truth: no payload is in it, so that what is
 * erased there is not here, and all of it is made again from evidence where it is lost. Names that come again and again are
 * numbers (`names`), as are the sets of rules (`rulings`) and of controls (`citations`) that records carry.
 * `topics`: what a session's replay is made from; `stretches`: where in recordings its frames are.
 */
const SCHEMA = `
CREATE TABLE writers (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL DEFAULT 0, at INTEGER NOT NULL DEFAULT 0,
  last_at INTEGER NOT NULL DEFAULT 0, frame_seq INTEGER NOT NULL DEFAULT 0, frame_at INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE names (n INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE rulings (n INTEGER PRIMARY KEY, rules TEXT NOT NULL UNIQUE);
CREATE TABLE ruling_rules (rule TEXT NOT NULL, ruling INTEGER NOT NULL, PRIMARY KEY (rule, ruling)) WITHOUT ROWID;
CREATE TABLE ruling_controls (control TEXT NOT NULL, ruling INTEGER NOT NULL, PRIMARY KEY (control, ruling)) WITHOUT ROWID;
CREATE TABLE citations (n INTEGER PRIMARY KEY, controls TEXT NOT NULL UNIQUE);
CREATE TABLE citation_controls (control TEXT NOT NULL, citation INTEGER NOT NULL, PRIMARY KEY (control, citation)) WITHOUT ROWID;
CREATE TABLE records (
  n INTEGER PRIMARY KEY, ts INTEGER NOT NULL, event INTEGER NOT NULL, writer INTEGER NOT NULL,
  seq INTEGER NOT NULL, at INTEGER NOT NULL, decision INTEGER, citation INTEGER
);
CREATE INDEX records_decision ON records (decision) WHERE decision IS NOT NULL;
CREATE INDEX records_citation ON records (citation, ts) WHERE citation IS NOT NULL;
CREATE TABLE sessions (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, agent INTEGER NOT NULL, owner INTEGER, kind TEXT NOT NULL, plane INTEGER NOT NULL,
  source TEXT, opened INTEGER NOT NULL, closed INTEGER, reason TEXT, writer INTEGER NOT NULL,
  decisions INTEGER NOT NULL DEFAULT 0, rejected INTEGER NOT NULL DEFAULT 0, masked INTEGER NOT NULL DEFAULT 0, held INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX sessions_opened ON sessions (opened);
CREATE INDEX sessions_live ON sessions (opened) WHERE closed IS NULL;
CREATE INDEX sessions_agent ON sessions (agent, opened);
CREATE TABLE decisions (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, ts INTEGER NOT NULL, session INTEGER, agent INTEGER NOT NULL, plane INTEGER NOT NULL,
  action INTEGER NOT NULL, resources INTEGER NOT NULL, verdict TEXT NOT NULL, answer TEXT, ruling INTEGER NOT NULL,
  revision INTEGER, approval TEXT, state TEXT, outcome TEXT, rows INTEGER, error TEXT, decided_us INTEGER, took_us INTEGER
);
CREATE INDEX decisions_ts ON decisions (ts);
CREATE INDEX decisions_verdict ON decisions (verdict, ts);
CREATE INDEX decisions_agent ON decisions (agent, ts);
CREATE INDEX decisions_session ON decisions (session, ts);
CREATE INDEX decisions_ruling ON decisions (ruling, ts);
CREATE TABLE days (day TEXT NOT NULL, event INTEGER NOT NULL, ruling INTEGER NOT NULL, records INTEGER NOT NULL, PRIMARY KEY (day, event, ruling)) WITHOUT ROWID;
CREATE TABLE agents (
  agent INTEGER PRIMARY KEY, kind TEXT NOT NULL, owner INTEGER, first INTEGER NOT NULL, last INTEGER NOT NULL,
  forward INTEGER NOT NULL DEFAULT 0, mask INTEGER NOT NULL DEFAULT 0, hold INTEGER NOT NULL DEFAULT 0, reject INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE told (n INTEGER PRIMARY KEY, family TEXT NOT NULL);
CREATE INDEX told_family ON told (family, n);
CREATE TABLE topics (topic INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (topic, n)) WITHOUT ROWID;
CREATE TABLE session_approvals (session INTEGER NOT NULL, approval INTEGER NOT NULL, PRIMARY KEY (session, approval)) WITHOUT ROWID;
CREATE TABLE stretches (
  session INTEGER NOT NULL, writer INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (session, writer, seq)
) WITHOUT ROWID;
`

/**
 * Opens the index, made anew where there is none that this version can go on with. Durable enough for what can be made
 * again: a process that dies loses nothing, a machine that does loses whole transactions from the end.
 */
export function openTables(path: string): DatabaseSync {
  try {
    return opened(path)
  } catch (error) {
    if (!isDamaged(error)) throw error
    for (const end of ['', '-wal', '-shm']) rmSync(path + end, { force: true })
    return opened(path)
  }
}

function opened(path: string): DatabaseSync {
  const database = new DatabaseSync(path)
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16000')
    if (database.prepare('PRAGMA user_version').get()?.['user_version'] !== VERSION) makeAnew(database)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

function isDamaged(error: unknown): boolean {
  const { errcode }: { readonly errcode?: unknown } = Object(error)
  return errcode === SQLITE_CORRUPT || errcode === SQLITE_NOTADB
}

/** Empties the index: what it was made from is not what is there. */
export function makeAnew(database: DatabaseSync): void {
  const tables = database
    .prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'`)
    .all()
  database.exec('BEGIN IMMEDIATE')
  for (const { name } of tables) database.exec(`DROP TABLE "${String(name)}"`)
  database.exec(`${SCHEMA}; PRAGMA user_version = ${VERSION}; COMMIT`)
}
