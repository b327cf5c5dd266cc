/** The schema as pg_dump writes it, over the connection that PG* variables give. */
import { printed } from './printed.ts'
import { report } from './report.ts'

const steps = {
  /** A dump's meta-commands are guarded with a random word. */
  dump: async () => (await printed('pg_dump', ['-w', '--schema-only'])).replaceAll(/^(\\(?:un)?restrict) \w+$/gm, '$1'),
}

await report<undefined>(steps, String, (step) => step(undefined))
