/** Decisions taken again: what a changed policy would have answered to what was asked. */
export { Candidate } from './candidate.ts'
export { aboutOf, itemOf, rehearse, type Group, type Item, type Rehearsal, type Skipped } from './rehearsal.ts'
export { rebuiltInput, type RecordedRequest } from '../recorded-input.ts'
