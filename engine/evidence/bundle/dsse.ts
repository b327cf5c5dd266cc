import { sign, verify } from 'node:crypto'
import type { JsonValue } from '../../access-request.ts'
import { canonicalJson } from '../canonical-json.ts'
import { asObject } from '../decision-record.ts'
import { fromBase64, keyName, type NoteSigner, type NoteVerifier } from '../signed-note.ts'

/** Of a manifest: an in-toto Statement. */
export const PAYLOAD_TYPE = 'application/vnd.in-toto+json'

/** A DSSE envelope, its parts decoded. Unsigned: no signature at all, which only who asked for it may take for whole. */
export interface Envelope {
  readonly payload: Buffer
  readonly signature: { readonly keyId: string; readonly bytes: Buffer } | null
}

/** DSSE, protocol: what is signed, so that a payload of one type never passes for one of another. */
export function preAuthentication(payload: Uint8Array): Buffer {
  const head = `DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `
  return Buffer.concat([Buffer.from(head), payload])
}

/** The envelope as its file: canonical JSON and a newline. Ed25519 is deterministic, so the same payload gives the same bytes. */
export function sealEnvelope(payload: Uint8Array, signer: NoteSigner | null): string {
  const signatures =
    signer === null
      ? []
      : [
          {
            keyid: keyName(signer.verifier),
            sig: sign(null, preAuthentication(payload), signer.key).toString('base64'),
          },
        ]
  return envelopeText(Buffer.from(payload).toString('base64'), signatures)
}

/** Reads an envelope strictly: none or one signature, and no spelling but the one that sealEnvelope writes. */
export function parseEnvelope(text: string): Envelope | undefined {
  const { payload, payloadType, signatures } = asObject(parsed(text)) ?? {}
  if (typeof payload !== 'string' || payloadType !== PAYLOAD_TYPE || !Array.isArray(signatures)) return undefined
  const bytes = fromBase64(payload)
  const given: readonly JsonValue[] = signatures
  if (bytes === undefined || given.length > 1) return undefined
  const signature = given[0] === undefined ? null : parseSignature(given[0])
  if (signature === undefined) return undefined
  const again = signature === null ? [] : [{ keyid: signature.keyId, sig: signature.bytes.toString('base64') }]
  return envelopeText(payload, again) === text ? { payload: bytes, signature } : undefined
}

/** Whether this key signed it. */
export function sealedBy({ payload, signature }: Envelope, key: NoteVerifier): boolean {
  if (signature === null || signature.keyId !== keyName(key)) return false
  return verify(null, preAuthentication(payload), key.key, signature.bytes)
}

function envelopeText(
  payload: string,
  signatures: readonly { readonly keyid: string; readonly sig: string }[],
): string {
  return `${canonicalJson({ payload, payloadType: PAYLOAD_TYPE, signatures })}\n`
}

function parseSignature(value: JsonValue): Envelope['signature'] | undefined {
  const { keyid, sig } = asObject(value) ?? {}
  const bytes = typeof sig === 'string' ? fromBase64(sig) : undefined
  return typeof keyid !== 'string' || !keyid.isWellFormed() || bytes === undefined ? undefined : { keyId: keyid, bytes }
}

function parsed(text: string): JsonValue | undefined {
  try {
    const value: JsonValue = JSON.parse(text)
    return value
  } catch {
    return undefined
  }
}
