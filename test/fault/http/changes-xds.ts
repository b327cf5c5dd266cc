/**
 * Clients of the configuration stream under traffic, while their configuration changes again and again:
 *
 *   npm run xds:changes [-- CHANGES]
 *
 * A real Envoy over delta ADS, and gRPC's own xDS client over the older form. Each change brings a cluster of a new name,
 * turns the route to it and takes the one before away; in the middle comes a configuration that the client refuses, and the
 * control plane is ended and started again. Every request must be answered.
 */
import { followChanges } from '../../support/xds-changes.ts'
import { envoyFollower, grpcFollower } from '../../support/xds-followers.ts'

const changes = Number(process.argv[2] ?? '100')
let failed = false
for (const [name, make] of [
  ['Envoy, delta', envoyFollower],
  ['gRPC client, whole', grpcFollower],
] as const) {
  const { requests, dropped, answers, refusals, takenAgain } = await followChanges(await make(), changes)
  const told = `${name}: ${changes} changes, ${requests} requests, ${dropped.length} dropped (by backend ${answers.join(' + ')})`
  process.stdout.write(`${told}; refused: ${refusals.join('; ')}; taken again after a restart: ${takenAgain}\n`)
  for (const each of new Set(dropped)) process.stdout.write(`  ${each}\n`)
  failed ||= dropped.length > 0 || refusals.length === 0
}
process.exit(failed ? 1 : 0)
