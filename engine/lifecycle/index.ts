/** How a policy comes into force: proposed, tested, reviewed, activated, rolled back; in evidence, and on every gateway. */
export type { Proposal } from './lifecycle.ts'
export { PolicyLife, type PolicyStatus } from './policy-life.ts'
export { rebuildPolicies } from './rebuild.ts'
export type { LifecycleRules, Members } from './rules.ts'
export { LifecycleStore } from './store.ts'
export { Rounds, Turns } from './turns.ts'
