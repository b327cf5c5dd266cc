/** `npm run bench -- <what> [options]`: figures as ratios to a peer or a limit that is measured in the same run. */
import { benchEvidence } from './evidence.ts'
import { benchHttp } from './http.ts'
import { benchPolicy } from './policy.ts'
import { benchPostgres } from './postgres.ts'
import { benchSqs } from './sqs.ts'

const BENCHES: Readonly<Record<string, (argv: readonly string[]) => Promise<number>>> = {
  postgres: benchPostgres,
  evidence: benchEvidence,
  policy: benchPolicy,
  sqs: benchSqs,
  http: benchHttp,
}

const [name = '', ...rest] = process.argv.slice(2)
const bench = BENCHES[name]
if (bench === undefined) {
  process.stderr.write(`usage: npm run bench -- ${Object.keys(BENCHES).join('|')} [options]\n`)
  process.exit(64)
}
process.exit(await bench(rest))
