import { EvidenceError } from '../errors.ts'
import { inTransaction, type PostgresSession } from './postgres-session.ts'

/**
 * The tables, in numbered steps. A released step is never changed. `evidence_lines` is only ever added to, but for payloads
 * that retention overwrites: its keys are what keeps two processes from writing as one writer (no seq twice) and a chain
 * from being forked (no record twice behind the same one).
 */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE evidence_writers (
     number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     id text COLLATE "C" NOT NULL UNIQUE,
     instance text COLLATE "C" NOT NULL,
     ended boolean NOT NULL DEFAULT false
   );
   CREATE INDEX evidence_writers_running ON evidence_writers (instance) WHERE NOT ended;
   CREATE TABLE evidence_lines (
     writer integer NOT NULL,
     kind text COLLATE "C" NOT NULL CHECK (kind IN ('record', 'frame')),
     seq bigint NOT NULL CHECK (seq > 0),
     prev bytea CHECK ((prev IS NOT NULL) = (kind = 'record')),
     line text COLLATE "C" NOT NULL,
     PRIMARY KEY (writer, kind, seq)
   );
   CREATE UNIQUE INDEX evidence_lines_chain ON evidence_lines (writer, prev) WHERE kind = 'record';
   CREATE INDEX evidence_lines_approvals ON evidence_lines (writer, seq)
     WHERE kind = 'record' AND line LIKE '%"event":"approval.%';
   CREATE TABLE evidence_runs (
     index bigint PRIMARY KEY CHECK (index >= 0),
     writer integer NOT NULL,
     seq bigint NOT NULL CHECK (seq > 0),
     count bigint NOT NULL CHECK (count > 0),
     UNIQUE (writer, seq)
   );
   CREATE TABLE evidence_tiles (path text COLLATE "C" PRIMARY KEY, hashes bytea NOT NULL);
   CREATE TABLE evidence_documents (name text COLLATE "C" PRIMARY KEY, body text NOT NULL);`,
  `CREATE INDEX evidence_lines_policies ON evidence_lines (writer, seq)
     WHERE kind = 'record' AND line LIKE '%"event":"policy.%';`,
  `CREATE INDEX evidence_lines_access ON evidence_lines (writer, seq)
     WHERE kind = 'record' AND line LIKE '%"event":"access.%';
   CREATE INDEX evidence_lines_breakglass ON evidence_lines (writer, seq)
     WHERE kind = 'record' AND line LIKE '%"event":"breakglass.%';`,
  `CREATE INDEX evidence_lines_revocations ON evidence_lines (writer, seq)
     WHERE kind = 'record' AND line LIKE '%"event":"credential.revoked%';
   CREATE INDEX evidence_lines_agents ON evidence_lines (writer, seq)
     WHERE kind = 'record' AND line LIKE '%"event":"agent.%';`,
  `CREATE INDEX evidence_lines_assertions ON evidence_lines (writer, seq)
     WHERE kind = 'record' AND line LIKE '%"detail":{"assertion":{%';`,
]

const LOCK = `SELECT pg_advisory_xact_lock(hashtextextended('countersign/evidence/schema', 0))`

/** Brings a database to this version's tables; touches nothing where they are there. Throws ERR_EVIDENCE_STORE. */
export async function migrateEvidence(session: PostgresSession, place: string): Promise<void> {
  if ((await versionOf(session, place)) === MIGRATIONS.length) return
  await inTransaction(session, '', async () => {
    await session.query(LOCK)
    await session.query('CREATE TABLE IF NOT EXISTS evidence_migrations (number integer PRIMARY KEY)')
    const done = await versionOf(session, place)
    for (const [at, step] of MIGRATIONS.entries()) {
      if (at < done) continue
      await session.query(step)
      await session.query('INSERT INTO evidence_migrations (number) VALUES ($1)', [at + 1])
    }
  })
}

/** Throws ERR_EVIDENCE_STORE for a database whose tables are not exactly this version's. */
export async function assertMigrated(session: PostgresSession, place: string): Promise<void> {
  const found = await versionOf(session, place)
  if (found === MIGRATIONS.length) return
  const message = `${place}: expected evidence tables of schema ${MIGRATIONS.length}; found ${found}; start a gateway of this version on it first`
  throw new EvidenceError('ERR_EVIDENCE_STORE', message, { fatal: true })
}

// 0 where there are no tables yet. What a later version made is not for this one to write to, or to read.
async function versionOf(session: PostgresSession, place: string): Promise<number> {
  const [encoding] = await session.query('SELECT getdatabaseencoding() AS encoding')
  if (encoding?.['encoding'] !== 'UTF8') {
    const message = `${place}: expected a database of encoding UTF8; found ${String(encoding?.['encoding'])}; make one with ENCODING 'UTF8'`
    throw new EvidenceError('ERR_EVIDENCE_STORE', message, { fatal: true })
  }
  const [there] = await session.query(`SELECT to_regclass('evidence_migrations') IS NOT NULL AS there`)
  if (there?.['there'] !== true) return 0
  const [row] = await session.query('SELECT coalesce(max(number), 0)::integer AS number FROM evidence_migrations')
  const version = Number(row?.['number'])
  if (version <= MIGRATIONS.length) return version
  const message = `${place}: expected evidence tables of schema ${MIGRATIONS.length} or earlier; found ${version}; run the version that made them, or a later one`
  throw new EvidenceError('ERR_EVIDENCE_STORE', message, { fatal: true })
}
