/** pgAudit's words for a statement: its class, and the command as the server's tag has it. */
export interface AuditWords {
  readonly class: 'READ' | 'WRITE' | 'FUNCTION' | 'ROLE' | 'DDL' | 'MISC'
  readonly command: string
}

/** What isn't here is DDL, and its command is its kind in capitals. As pgAudit 1.7 logs them (test/fixtures/pgaudit). */
const WORDS: Readonly<Record<string, AuditWords>> = {
  select: { class: 'READ', command: 'SELECT' },
  copy_to: { class: 'READ', command: 'COPY' },
  insert: { class: 'WRITE', command: 'INSERT' },
  update: { class: 'WRITE', command: 'UPDATE' },
  delete: { class: 'WRITE', command: 'DELETE' },
  merge: { class: 'WRITE', command: 'MERGE' },
  copy_from: { class: 'WRITE', command: 'COPY' },
  truncate: { class: 'WRITE', command: 'TRUNCATE TABLE' },
  grant: { class: 'ROLE', command: 'GRANT' },
  rollback_to: { class: 'MISC', command: 'ROLLBACK' },
  rename: { class: 'DDL', command: 'ALTER TABLE' },
  lock: { class: 'MISC', command: 'LOCK TABLE' },
}

const MISC: ReadonlySet<string> = new Set([
  'begin',
  'commit',
  'rollback',
  'savepoint',
  'release',
  'set',
  'reset',
  'show',
  'explain',
  'deallocate',
  'discard',
  'vacuum',
  'listen',
  'notify',
  'unlisten',
  'set_constraints',
])

export function auditWords(kind: string): AuditWords {
  const command = kind.replaceAll('_', ' ').toUpperCase()
  return WORDS[kind] ?? { class: MISC.has(kind) ? 'MISC' : 'DDL', command }
}
