/** Overview: what evidence holds, in an index that pages and metrics ask. */
export { BOUNDS, type Histogram, type Measured } from './meter.ts'
export { FAMILY_NAMES, type Family } from './family.ts'
export { Overview, type OverviewOptions } from './overview.ts'
export type * from './questions.ts'
