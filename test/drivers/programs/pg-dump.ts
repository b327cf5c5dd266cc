/** The schema as pg_dump writes it, over the connection that PG* variables give. */
import { printed } from './printed.ts'
import { report } from './report.ts'

/** Subscriptions hold passwords; that row security stays on is what --enable-row-security says. */
const DUMP = ['--schema-only', '--schema=public', '--no-subscriptions', '--enable-row-security']

const steps = {
  /** Of what the starter pack lets be read. A dump's meta-commands are guarded with a random word. */
  dump: async () => (await printed('pg_dump', ['-w', ...DUMP])).replaceAll(/^(\\(?:un)?restrict) \w+$/gm, '$1'),
}

await report<undefined>(steps, String, (step) => step(undefined))
