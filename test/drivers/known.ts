import type { Came } from './comparison.ts'

/** A step that does not come out as steps.ts wants it, and why. */
export interface Known {
  readonly driver: string
  readonly policy: 'allow-all' | 'starter'
  readonly step: string
  readonly came: Came
  readonly why: string
}

const CURSORS = 'DECLARE and FETCH are not covered'
const INTROSPECTION = 'asyncpg asks for types it does not know with set_config, which is not on the list'

export const KNOWN: readonly Known[] = [
  ...(['allow-all', 'starter'] as const).flatMap((policy): Known[] => [
    ...['psql', 'psycopg', 'sqlalchemy'].map((driver): Known => {
      return { driver, policy, step: 'cursor', came: 'differs', why: CURSORS }
    }),
    { driver: 'asyncpg', policy, step: 'types', came: 'refused', why: INTROSPECTION },
    { driver: 'pg_dump', policy, step: 'dump', came: 'differs', why: 'pg_dump empties search_path with set_config' },
  ]),
  {
    driver: 'pgjdbc',
    policy: 'starter',
    step: 'reflect',
    came: 'refused',
    why: 'the starter pack refuses one of the catalogue queries behind DatabaseMetaData; which one is not known yet',
  },
  {
    driver: 'sqlalchemy',
    policy: 'allow-all',
    step: 'write',
    came: 'differs',
    why: 'a table that is created in a transaction is not known before its end',
  },
]
