/** Evidence: an append-only record of what was decided and what then happened, and the means to check it offline. */
export { canonicalJson } from './canonical-json.ts'
export {
  asObject,
  asText,
  EVENT_NAMES,
  type Citation,
  type Cite,
  type EventName,
  tellsApproval,
  type EvidenceRecord,
  type MaskCount,
  type Payload,
  type RecordDraft,
} from './decision-record.ts'
export { parseCheckpoint, type Checkpoint, type SignedCheckpoint } from './checkpoint.ts'
export { checkpointFile, tilesIn, type AppendFile, type FileSystem } from './file-store.ts'
export { GrowingTree } from './merkle.ts'
export { inclusionProof, provesInclusion, type ReadNode } from './proof.ts'
export { nodesOf } from './tile.ts'
export { directoryStore } from './directory-store.ts'
export {
  closeWriters,
  openEvidence,
  openEvidenceLog,
  type ClosedWriters,
  type EvidenceOptions,
  type WriterOptions,
} from './log.ts'
export { retain, type Erasable, type RetainOptions, type RetainReport } from './erasure.ts'
export {
  holdSet,
  holdsAt,
  LIFT_NOTICE_MS,
  readHolds,
  unconfigured,
  unrecorded,
  type KnownHold,
  type LegalHold,
} from './legal-hold.ts'
export type { RetentionRule } from './retention.ts'
export {
  frameOf,
  readFrames,
  readRecords,
  recordOf,
  sourceOf,
  type Evidence,
  type ReadOptions,
  type StoredFrame,
  type StoredRecord,
} from './reading.ts'
export type { ParsedFrame, RecordingFrame } from './recording.ts'
export type { PostgresAddress } from './postgres-session.ts'
export { postgresStore } from './postgres-store.ts'
export { pullEvidence, type Pulled } from './pull.ts'
export type { InDoubt } from './recovery.ts'
export { entryFields } from './line.ts'
export type { EvidenceSource, FrameStretch, LinePlace, PlacedLine } from './source.ts'
export type { EvidenceStore } from './store.ts'
export type { Finding, Severity } from './finding.ts'
export { verifyEvidence, type VerifyReport, type WriterReport } from './verify.ts'
export type { SignedStanding } from './checkpoints.ts'
export type { Appended, EvidenceLog, LogStanding } from './writer-log.ts'
export type { Explanation, LogReport, Trust } from './log-check.ts'
export {
  parseSigner,
  signedBy,
  parseVerifier,
  signerFromSeed,
  signerText,
  verifierText,
  type NoteSigner,
  type NoteVerifier,
} from './signed-note.ts'
export { isBundle, verifyBundle, type BundleReport, type BundleTrust } from './bundle/check.ts'
export {
  exportEvidence,
  type ExportOptions,
  type ExportReport,
  type NamedFile,
  type ReportScope,
} from './bundle/export.ts'
export { indexedLine } from './bundle/indexed-line.ts'
export { OcsfMapper } from './bundle/ocsf.ts'
export { EVERYTHING, Selection, type Query } from './bundle/query.ts'
export { followRecords, type FollowedRecord, type FollowOptions } from './following.ts'
export {
  cosignerFromSeed,
  parseCosignatureVerifier,
  parseCosigner,
  type CosignatureVerifier,
  type Cosigner,
} from './cosignature.ts'
export { Witness, type WitnessAnswer, type WitnessOptions } from './witness.ts'
export type { WitnessPeer } from './witnesses.ts'
