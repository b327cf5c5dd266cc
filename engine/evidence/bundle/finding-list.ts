import type { Finding, Severity } from '../finding.ts'

/** More findings than this are counted, not kept: a hostile bundle must not fill the verifier's memory. */
const MAX_FINDINGS = 1000

/** What a verification has found so far. */
export class FindingList {
  readonly kept: Finding[] = []
  omitted = 0
  readonly #severities = new Set<Severity>()

  note(finding: Finding): void {
    this.#severities.add(finding.severity)
    if (this.kept.length < MAX_FINDINGS) this.kept.push(finding)
    else this.omitted += 1
  }

  tampered(file: string, line: number | null, message: string, expected: string, found: string): void {
    this.note({ severity: 'tampered', file, line, message, expected, found })
  }

  /** The worst. */
  get status(): 'ok' | Severity {
    return (['tampered', 'cannot', 'incomplete'] as const).find((each) => this.#severities.has(each)) ?? 'ok'
  }
}
