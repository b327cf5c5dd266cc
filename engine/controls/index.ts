/** Controls: which framework requirement a record evidences, and reports that an examiner can check. */
export { CERTAINTY, isCitable, type Certainty, type Control, type ControlPack, type Strength } from './control.ts'
export { loadControlPack, SHIPPED_CONTROLS } from './mapping.ts'
export { ControlResolver, requireControls, rulesOf, type PolicyRule } from './resolve.ts'
