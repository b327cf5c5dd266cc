import { approversApart, holdsAnswered, quorumReached, releasesApproved } from './approval-measures.ts'
import {
  accounts,
  answersWithheld,
  decisionsByAction,
  decisionsUnderKnownPolicy,
  decisionsWithReason,
  intentsWithOutcome,
  labelledAccess,
  labelledPartsMasked,
  maskedValues,
  refusalsByRule,
  writesWithApproval,
} from './decision-measures.ts'
import {
  boundaryChecks,
  failovers,
  keyEvents,
  logEvents,
  logReads,
  policyChanges,
  releases,
  retentions,
  silences,
  writersEnded,
} from './log-measures.ts'
import { unmeasurable, type Measure, type MeasureResult, type Seen } from './measure.ts'
import {
  agentsWithOwner,
  clientsUnderTls,
  credentialsLive,
  decisionsPerSession,
  identitiesByIssuer,
  refusedCredentials,
  sessionsClosed,
  sessionsIdentified,
  sessionsRecorded,
} from './session-measures.ts'

const FACTORIES = {
  accounts,
  agentsWithOwner,
  answersWithheld,
  approversApart,
  boundaryChecks,
  clientsUnderTls,
  credentialsLive,
  decisionsByAction,
  decisionsPerSession,
  decisionsUnderKnownPolicy,
  decisionsWithReason,
  failovers,
  holdsAnswered,
  identitiesByIssuer,
  intentsWithOutcome,
  keyEvents,
  labelledAccess,
  labelledPartsMasked,
  logEvents,
  logReads,
  maskedValues,
  policyChanges,
  quorumReached,
  refusalsByRule,
  refusedCredentials,
  releases,
  releasesApproved,
  retentions,
  sessionsClosed,
  sessionsIdentified,
  sessionsRecorded,
  silences,
  writersEnded,
  writesWithApproval,
} satisfies Record<string, () => Measure>

type MeasureName = keyof typeof FACTORIES

/** A part of a control's metric for which there is nothing in these records. */
interface Unmeasured {
  readonly what: string
  readonly why: string
}

type Part = MeasureName | Unmeasured

const not = (what: string, why: string): Unmeasured => ({ what, why })

const REVIEWS = not('Access reviews in the period', 'no access review is recorded by this version')
const CHANGE_STEPS = not(
  'Proposal, review, test run and approver of each policy revision',
  'only activations are recorded by this version; keep the change tickets beside this report',
)
const THIRD_PARTIES = not(
  'Sessions of third parties, by provider',
  'no record says which principals belong to a provider; select its principals and report on each',
)
const TRANSPORT = not(
  'TLS version and peer on both legs of each session',
  'transports are not recorded by this version',
)
const WITNESS = not(
  'Age of the newest witnessed checkpoint',
  'log.witnessed tells of some, the newest stands beside the records: countersign evidence verify prints it',
)
const PAST_THE_GATEWAY = not(
  'Requests at the boundary without a verdict',
  'what did not come through the gateway left nothing here: countersign postgres reconcile holds the server’s log against it',
)
const ALERTS = not('Alerts and how they were handled', 'no alert or incident is recorded by this version')
const VERIFICATIONS = not(
  'Verification runs and their results',
  'verification writes nothing into the log that it checks',
)
const PURPOSE = not(
  'Purpose of each allowed request',
  'a purpose stands in the policy’s registry of agents, not in records',
)
const LIMITS = not('Requests over a limit', 'rate limits are not enforced or recorded by this version')

const CHANGE: readonly Part[] = ['policyChanges', 'decisionsUnderKnownPolicy', CHANGE_STEPS]
const GATE: readonly Part[] = ['decisionsWithReason', 'labelledPartsMasked', 'maskedValues', 'refusalsByRule']
const SESSIONS: readonly Part[] = ['sessionsClosed', 'sessionsRecorded']
const PEOPLE: readonly Part[] = ['approversApart', 'quorumReached', 'releasesApproved', 'holdsAnswered']
const IDENTITY: readonly Part[] = ['sessionsIdentified', 'refusedCredentials', 'identitiesByIssuer']
const LOG: readonly Part[] = ['silences', 'writersEnded', 'logEvents', WITNESS]

/** Of each control's metric: what these records measure, and what they can't. */
const MEASURES: Readonly<Record<string, readonly Part[]>> = {
  'IS.II.C.7(b)': ['agentsWithOwner', 'accounts', REVIEWS],
  'IS.II.C.7(c)': [...PEOPLE, not('Policy author and policy approver are different people', CHANGE_STEPS.why)],
  'IS.II.C.10': [...CHANGE, 'releases'],
  'IS.II.C.13': ['labelledPartsMasked', 'answersWithheld', 'maskedValues', 'labelledAccess'],
  'IS.II.C.13(a)': [
    'logEvents',
    not('Recordings whose digests verify', 'countersign evidence verify derives them again'),
  ],
  'IS.II.C.13(b)': ['clientsUnderTls', TRANSPORT],
  'IS.II.C.15': ['sessionsIdentified', 'credentialsLive', 'writesWithApproval', 'intentsWithOutcome', REVIEWS],
  'IS.II.C.15(a)': [
    ...SESSIONS,
    not('Shell sessions', 'this gateway carries no shells; its sessions are the database’s'),
  ],
  'IS.II.C.15(b)': ['decisionsByAction', 'decisionsWithReason', 'refusalsByRule'],
  'IS.II.C.15(c)': [...SESSIONS, 'sessionsIdentified', 'credentialsLive', 'holdsAnswered'],
  'IS.II.C.17': [
    'releases',
    'policyChanges',
    not('Tests of the gateway’s own software', 'its makers’ test runs are not in this log'),
  ],
  'IS.II.C.18': ['accounts', 'intentsWithOutcome', 'labelledPartsMasked', 'refusalsByRule'],
  'IS.II.C.19': ['keyEvents', 'clientsUnderTls', TRANSPORT],
  'IS.II.C.20': [THIRD_PARTIES],
  'IS.II.C.22': [...LOG, 'logReads', 'retentions'],
  'IS.II.D.1': ['logReads', not('Trend over earlier periods', 'make one report a period and hold them side by side')],
  'IS.III.B': ['refusalsByRule', 'refusedCredentials', not('An agent’s baseline', ALERTS.why)],
  'IS.III.C': [ALERTS],
  'IS.III.D': [not('Time from alert to revocation', ALERTS.why), 'logReads'],
  'IS.IV.A': ['logReads', VERIFICATIONS],
  'AIO.III.A.2(a)': ['accounts', 'writesWithApproval', 'labelledAccess', 'decisionsByAction', LIMITS],
  'AIO.III.A.3': [
    'labelledPartsMasked',
    not('Sessions of non-production', 'no record says which environment it is of'),
  ],
  'AIO.III.D.1': CHANGE,
  'AIO.III.E': [THIRD_PARTIES],
  'AIO.III.G': [...SESSIONS, ...IDENTITY],
  'AIO.V.C.2(c)': [...GATE, 'intentsWithOutcome', LIMITS],
  'AIO.VI.A.2': [
    'boundaryChecks',
    'refusalsByRule',
    not('Resources reachable only through the gateway', 'a network test shows that, not this log'),
  ],
  'AIO.VI.A.3': ['identitiesByIssuer', 'sessionsIdentified', 'agentsWithOwner'],
  'AIO.VI.B.7': [...LOG, 'retentions', 'releases'],
  'AIO.VI.C.4': ['decisionsPerSession', ALERTS],
  'AIO.VII.B': ['decisionsPerSession', 'credentialsLive', 'sessionsIdentified', 'decisionsWithReason'],
  'AIO.VII.D': ['accounts', not('Model and version of each agent', 'tokens carry no model in this version')],
  'DAM.IV.I.1': ['decisionsUnderKnownPolicy', 'policyChanges', 'sessionsIdentified', LIMITS],
  'DAM.IV.I.2': [...GATE, LIMITS],
  'DAM.V.B': ['policyChanges', CHANGE_STEPS],
  'DAM.VII.B.1': CHANGE,
  'DAM.VII.B.2(a)': [
    'labelledPartsMasked',
    not('Sessions of a test environment', 'no record says which environment it is of'),
  ],
  'DAM.VII.B.2(c)': [
    'policyChanges',
    not('Active revision is a signed commit', 'the repository shows that; the digest here binds the bundle'),
  ],
  'DAM.VII.B.3(c)': [not('Emergency activations and their review', 'neither is recorded by this version')],
  'BCM.IV.A': [
    'writersEnded',
    'failovers',
    not('A copy elsewhere with the same root', 'replication is not recorded by this version'),
  ],
  'OTS.OngoingMonitoring': ['refusalsByRule', THIRD_PARTIES],
  'AUD.InternalAuditProgram': ['logReads', VERIFICATIONS],
  'AUTH.Scope': ['agentsWithOwner', 'identitiesByIssuer', 'refusedCredentials', 'credentialsLive'],
  'AUTH.LayeredSecurity': ['identitiesByIssuer', 'writesWithApproval', 'quorumReached'],
  'AUTH.Monitoring': [...SESSIONS, 'refusedCredentials', ALERTS],
  'GLBA.III.C.1.a': ['labelledAccess', 'labelledPartsMasked', PURPOSE],
  'GLBA.III.C.1.c': ['clientsUnderTls', TRANSPORT],
  'GLBA.III.C.1.d': CHANGE,
  'GLBA.III.C.1.e': [...PEOPLE, 'writesWithApproval'],
  'GLBA.III.C.1.f': ['refusalsByRule', 'refusedCredentials', ALERTS],
  'GLBA.III.C.1.g': [not('Time from alert to containment', ALERTS.why), 'logReads'],
  'GLBA.III.D': [THIRD_PARTIES, 'logReads'],
  'PR.AA-01': [
    'agentsWithOwner',
    'credentialsLive',
    not('Live registration of each principal', 'registrations are not recorded by this version'),
  ],
  'PR.AA-03': ['sessionsIdentified', 'refusedCredentials'],
  'PR.AA-04': ['identitiesByIssuer', 'refusedCredentials', 'credentialsLive'],
  'PR.AA-05': ['decisionsUnderKnownPolicy', 'decisionsWithReason', 'releasesApproved', REVIEWS],
  'PR.DS-10': ['labelledPartsMasked', 'answersWithheld', 'maskedValues'],
  'PR.PS-04': ['intentsWithOutcome', 'sessionsClosed', ...LOG],
  'PR.IR-01': [
    'boundaryChecks',
    'refusalsByRule',
    not('Paths that do not pass the gateway', 'a network test shows that, not this log'),
  ],
  'DE.CM-03': [...SESSIONS, 'decisionsPerSession', not('Unusual sessions', ALERTS.why)],
  'DE.CM-06': [THIRD_PARTIES, ...SESSIONS],
  'DE.CM-09': ['boundaryChecks', 'decisionsWithReason', 'refusalsByRule', 'labelledAccess', PAST_THE_GATEWAY],
  'RS.AN-06': ['logReads', not('Recordings whose digests verify', 'countersign evidence verify derives them again')],
  'RS.AN-07': ['logReads', VERIFICATIONS, WITNESS],
  'ID.RA-07': [...CHANGE, not('Open exceptions and when they end', 'exceptions are not recorded by this version')],
  'GV.SC-07': [THIRD_PARTIES],
  'CRI.PR.AA-05.03': [
    'agentsWithOwner',
    'credentialsLive',
    'accounts',
    not('One person or process an account', 'a token says who presents it, not who else could'),
  ],
  'CRI.DE.CM-03.03': ['writesWithApproval', ...SESSIONS],
  'CRI.DE.CM-06.02': [...SESSIONS, THIRD_PARTIES],
}

/** Whether it is told, of each part of the control's metric, how it is measured or why it can't be. */
export function isMeasured(control: string): boolean {
  return Object.hasOwn(MEASURES, control)
}

/** Every figure that the asked controls need, each taken once however many controls share it. */
export class MeasureSet {
  readonly #measures = new Map<MeasureName, Measure>()
  readonly #results = new Map<MeasureName, MeasureResult>()

  constructor(controls: Iterable<string>) {
    for (const control of controls) {
      for (const part of MEASURES[control] ?? []) {
        if (typeof part === 'string' && !this.#measures.has(part)) this.#measures.set(part, FACTORIES[part]())
      }
    }
  }

  take(seen: Seen): void {
    for (const measure of this.#measures.values()) measure.take(seen)
  }

  /** What a control's metric comes to; a control that no figure is known for says so. */
  resultsOf(control: string): readonly MeasureResult[] {
    const parts = MEASURES[control]
    if (parts === undefined)
      return [unmeasurable('This control’s metric', 'no figure is worked out for it in this version')]
    return parts.map((part) => (typeof part === 'string' ? this.#result(part) : unmeasurable(part.what, part.why)))
  }

  #result(name: MeasureName): MeasureResult {
    const known = this.#results.get(name)
    if (known !== undefined) return known
    const result = this.#measures.get(name)?.result() ?? unmeasurable(name, 'it was not asked for')
    this.#results.set(name, result)
    return result
  }
}
