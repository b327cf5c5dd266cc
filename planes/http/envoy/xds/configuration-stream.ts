import type { Kind, Snapshot } from './snapshot.ts'

export type Acknowledgement =
  | { readonly kind: 'taken'; readonly of: Kind; readonly version: string }
  | {
      readonly kind: 'refused'
      readonly of: Kind
      readonly version: string
      /** Of the resources at fault, as far as can be told. */
      readonly names: readonly string[]
      /** In the client's words. */
      readonly reason: string
    }

/** One client's stream, in either form of the protocol. Pure: it neither sends nor waits. */
export interface ConfigurationStream {
  /** Takes one message in; tells what it acknowledged, if anything. Throws TypeError for what is none. */
  take(message: unknown): Acknowledgement | null
  /** What to send now, if anything more; asked again until there is nothing. */
  next(snapshot: Snapshot): object | null
  /** How the client names itself, once it has. */
  readonly node: string
}
