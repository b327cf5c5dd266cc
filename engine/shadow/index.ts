/** A candidate beside the live policy: asked the same, never obeyed, counted. */
export { Shadow, type Observer, type ShadowStatus } from './shadow.ts'
