/** Envoy's dynamic metadata in which the processor says what it did. No header: an upstream could forge one. */
export const NAMESPACE = 'countersign'

/**
 * What the chain's other filters look for. Envoy lets an exchange go on when the processor's stream ends cleanly, whatever
 * its settings say; without these words nothing passes the filters on either side of it.
 */
export interface Witness {
  /** Said only where a request was decided and may go up. */
  readonly req?: 'allow'
  /** The API that it was decided for: it goes up to no other. */
  readonly api?: string
  /** Said only with the last word on an answer; `open`: each byte of it is counted in `released`. */
  readonly resp?: 'done' | 'open'
  /** Bytes of a streamed answer that were looked at and may pass, all together. */
  readonly released?: number
  /** For the access log, which is held against the decisions. */
  readonly decision?: string
  /** The gateway that decided. */
  readonly by?: string
}

/** As google.protobuf.Struct, within the namespace. (protobufjs knows that one by its JSON names.) */
export function struct(witness: Witness): object {
  const fields = Object.fromEntries(
    Object.entries(witness).map(([name, value]) => [
      name,
      typeof value === 'number' ? { numberValue: value } : { stringValue: value },
    ]),
  )
  return { fields: { [NAMESPACE]: { structValue: { fields } } } }
}
