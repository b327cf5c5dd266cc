import { Ajv } from 'ajv'
import type { JsonObject } from '../access-request.ts'
import { PolicyError } from '../errors.ts'
import type { Proposal, TestResult } from './lifecycle.ts'

const STATEMENT = 'https://in-toto.io/Statement/v1'
const PREDICATE = 'https://in-toto.io/attestation/test-result/v0.1'
/** Of a bundle's content, signed or not: our own name in in-toto's digest set, beside the file's sha256. */
const CONTENT = 'countersignPolicy'
const MAX_BYTES = 32 * 1024

type Subject = Pick<Proposal, 'policy' | 'archive'>

/** An in-toto statement with a test-result predicate over a bundle. */
export function testResult(
  { policy, archive }: Subject,
  result: TestResult,
  about: { readonly by: string; readonly passed?: readonly string[]; readonly failed?: readonly string[] },
): JsonObject {
  return {
    _type: STATEMENT,
    subject: [{ name: policy.revision, digest: { sha256: archive, [CONTENT]: policy.digest } }],
    predicateType: PREDICATE,
    predicate: {
      result,
      configuration: [{ name: about.by }],
      ...(about.passed === undefined ? {} : { passedTests: about.passed }),
      ...(about.failed === undefined ? {} : { failedTests: about.failed }),
    },
  }
}

interface Statement extends JsonObject {
  readonly subject: readonly { readonly digest: Readonly<Record<string, string>> }[]
  readonly predicate: { readonly result: TestResult }
}

const isStatement = new Ajv().compile<Statement>({
  type: 'object',
  required: ['_type', 'subject', 'predicateType', 'predicate'],
  properties: {
    _type: { const: STATEMENT },
    predicateType: { const: PREDICATE },
    subject: {
      type: 'array',
      minItems: 1,
      maxItems: 1,
      items: {
        type: 'object',
        required: ['digest'],
        properties: { digest: { type: 'object', additionalProperties: { type: 'string' } } },
      },
    },
    predicate: {
      type: 'object',
      required: ['result'],
      properties: { result: { enum: ['PASSED', 'WARNED', 'FAILED'] } },
    },
  },
})

/** Somebody else's statement, such as a pipeline's; it must be about exactly this bundle. Throws ERR_POLICY_STEP. */
export function readTestResult(
  value: unknown,
  { policy, archive }: Subject,
): { readonly statement: JsonObject; readonly result: TestResult } {
  if (!isStatement(value) || JSON.stringify(value).length > MAX_BYTES) {
    throw new PolicyError(
      'ERR_POLICY_STEP',
      `a test's result is an in-toto statement with one subject and the predicate ${PREDICATE}`,
    )
  }
  const digest = value.subject[0]?.digest ?? {}
  const meant = digest['sha256'] === archive || digest[CONTENT] === policy.digest
  const contradicted = [digest['sha256'] ?? archive, digest[CONTENT] ?? policy.digest]
  if (!meant || contradicted[0] !== archive || contradicted[1] !== policy.digest) {
    throw new PolicyError('ERR_POLICY_STEP', `the test's result is about another bundle than ${policy.digest}`)
  }
  return { statement: value, result: value.predicate.result }
}
