/** Overview: what evidence holds, in an index that pages and metrics ask. */
export { FAMILY_NAMES, type Family } from './family.ts'
export { Overview, type OverviewDoor } from './overview.ts'
export type { SessionPlaces } from './places.ts'
export type * from './questions.ts'
