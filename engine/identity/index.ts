/** Credentials → principal. */
export type { IssuerConfig } from './issuer.ts'
export { createTokenVerifier, type TokenVerifier } from './token-verifier.ts'
