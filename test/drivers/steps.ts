/** What a program of `programs/` does at each step, and how it must come out at the gateway with the starter policy. */
export interface Step {
  readonly name: string
  readonly what: string
  /** `equal` to the server's own answer; `masked`: but for the number's last four digits; `refused` with 42501. */
  readonly starter: 'equal' | 'masked' | 'refused'
}

/** With allow-all every step must be equal to the server's own. A driver leaves out what it has no word for. */
export const STEPS: readonly Step[] = [
  { name: 'types', what: 'a value of each of fourteen types, decoded', starter: 'equal' },
  { name: 'read', what: 'a SELECT with a parameter', starter: 'equal' },
  { name: 'labelled', what: 'a SELECT of a labelled column', starter: 'masked' },
  { name: 'prepared', what: 'one statement prepared, executed with several values', starter: 'equal' },
  { name: 'transactions', what: 'commit, rollback, a failed one, savepoints, isolation levels', starter: 'equal' },
  { name: 'errors', what: 'five SQLSTATEs, from the server and of names and syntax', starter: 'equal' },
  { name: 'cancel', what: 'a cancel request ends what runs, and the session goes on', starter: 'equal' },
  { name: 'many', what: 'batches, pipelines, several statements in one message', starter: 'equal' },
  { name: 'reflect', what: 'what the driver asks of the catalogue about tables', starter: 'equal' },
  { name: 'cursor', what: 'twenty-five rows in portions of ten', starter: 'equal' },
  { name: 'write', what: 'CREATE, INSERT RETURNING, a violated key, UPDATE, DELETE, DROP', starter: 'refused' },
  { name: 'copy_out', what: 'COPY (SELECT …) TO STDOUT', starter: 'equal' },
  { name: 'copy_in', what: 'CREATE, COPY FROM STDIN, read back, DROP', starter: 'refused' },
  { name: 'dump', what: 'pg_dump --schema-only', starter: 'equal' },
]
