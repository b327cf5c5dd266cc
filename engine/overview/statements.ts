import type { DatabaseSync, StatementSync } from 'node:sqlite'

type ByVerdict = Readonly<Record<'forward' | 'mask' | 'hold' | 'reject', StatementSync>>

/** All that folding a record into the tables may run, prepared once. */
export interface Statements {
  readonly addRecord: StatementSync
  readonly addTold: StatementSync
  readonly addTopic: StatementSync
  readonly addSessionApproval: StatementSync
  readonly addStretch: StatementSync
  readonly addDay: StatementSync
  readonly openSession: StatementSync
  readonly closeSession: StatementSync
  readonly addDecision: StatementSync
  readonly findDecision: StatementSync
  readonly answer: StatementSync
  readonly approve: StatementSync
  readonly settle: StatementSync
  readonly seeAgent: StatementSync
  readonly countVerdict: ByVerdict
  readonly countInSession: ByVerdict
  readonly nameOf: StatementSync
  readonly addRulingRule: StatementSync
  readonly addRulingControl: StatementSync
  readonly addCitationControl: StatementSync
}

export function statementsOn(database: DatabaseSync): Statements {
  const on = (sql: string): StatementSync => database.prepare(sql)
  const inSession = (column: string): StatementSync =>
    on(`UPDATE sessions SET decisions = decisions + 1${column === '' ? '' : `, ${column} = ${column} + 1`} WHERE n = ?`)
  const ofAgent = (verdict: string): StatementSync =>
    on(`UPDATE agents SET ${verdict} = ${verdict} + 1 WHERE agent = ?`)
  return {
    addRecord: on('INSERT INTO records (ts, event, writer, seq, at, decision, citation) VALUES (?, ?, ?, ?, ?, ?, ?)'),
    addTold: on('INSERT INTO told (n, family) VALUES (?, ?)'),
    addTopic: on('INSERT OR IGNORE INTO topics (topic, n) VALUES (?, ?)'),
    addSessionApproval: on('INSERT OR IGNORE INTO session_approvals (session, approval) VALUES (?, ?)'),
    addStretch: on('INSERT INTO stretches (session, writer, seq, at, last) VALUES (?, ?, ?, ?, ?)'),
    addDay: on(`INSERT INTO days (day, event, ruling, records) VALUES (?, ?, ?, 1)
      ON CONFLICT DO UPDATE SET records = records + 1`),
    openSession: on(`INSERT INTO sessions (id, agent, owner, kind, plane, source, opened, writer)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`),
    closeSession: on('UPDATE sessions SET closed = ?, reason = ? WHERE id = ?'),
    addDecision: on(`INSERT INTO decisions
      (id, ts, session, agent, plane, action, resources, verdict, answer, ruling, revision, approval, decided_us)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    findDecision: on('SELECT n FROM decisions WHERE id = ?'),
    answer: on('UPDATE decisions SET answer = ?, ruling = ? WHERE id = ?'),
    approve: on('UPDATE decisions SET approval = ?, state = coalesce(?, state) WHERE id = ?'),
    settle: on('UPDATE decisions SET outcome = ?, rows = ?, error = ?, took_us = ? WHERE id = ?'),
    seeAgent: on(`INSERT INTO agents (agent, kind, owner, first, last) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET kind = excluded.kind, owner = excluded.owner, last = max(last, excluded.last)`),
    countVerdict: {
      forward: ofAgent('forward'),
      mask: ofAgent('mask'),
      hold: ofAgent('hold'),
      reject: ofAgent('reject'),
    },
    countInSession: {
      forward: inSession(''),
      mask: inSession('masked'),
      hold: inSession('held'),
      reject: inSession('rejected'),
    },
    nameOf: on('SELECT name FROM names WHERE n = ?'),
    addRulingRule: on('INSERT OR IGNORE INTO ruling_rules (rule, ruling) VALUES (?, ?)'),
    addRulingControl: on('INSERT OR IGNORE INTO ruling_controls (control, ruling) VALUES (?, ?)'),
    addCitationControl: on('INSERT OR IGNORE INTO citation_controls (control, citation) VALUES (?, ?)'),
  }
}
