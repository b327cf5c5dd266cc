import type { JsonObject } from '../../access-request.ts'
import { canonicalJson } from '../canonical-json.ts'
import { FILES, MAPPING, type Predicate } from './manifest.ts'
import { sorted, type ControlTally, type Tally } from './tally.ts'
import { uuid5 } from './uuid5.ts'

const NAMESPACE = 'https://countersign.dev/ns/oscal'

/**
 * What the records show of each control, as OSCAL assessment results: an observation a control, and no finding. A finding
 * says "satisfied" or "not satisfied"; a log evidences what a gateway did, and whether that is enough is the assessor's to
 * say. Everything in it, its UUIDs and times too, follows from the records and the manifest's predicate.
 */
export function assessmentResults(predicate: Predicate, tally: Tally): string {
  const { log, query, range } = predicate
  const name = canonicalJson({ log, query, range })
  const uuid = (what: string): string => uuid5(`${name}\n${what}`)
  const moment = tally.last ?? EPOCH
  const result = {
    uuid: uuid('result'),
    title: `Evidence of ${log.origin}`,
    description: describe(predicate),
    start: tally.first ?? EPOCH,
    end: moment,
    props: props({ size: String(log.size), root: log.root, records: String(tally.records) }),
    'reviewed-controls': { 'control-selections': [selection(tally)] },
    ...observations(tally, uuid, moment),
  }
  const document = {
    'assessment-results': {
      uuid: uuid('assessment-results'),
      metadata: {
        title: 'Countersign evidence: assessment results',
        'last-modified': moment,
        version: `${log.origin} ${log.size}`,
        'oscal-version': MAPPING.oscal,
        props: props({ mapping: String(MAPPING.version) }),
        remarks: REMARKS,
      },
      'import-ap': { href: `#${uuid('plan')}` },
      results: [result],
      'back-matter': { resources: resources(uuid) },
    },
  }
  return `${canonicalJson(document)}\n`
}

const EPOCH = '1970-01-01T00:00:00.000Z'
const REMARKS =
  'Observations only. Each says which records of a signed log carry a control; none says that the control is satisfied.'

function describe({ log, query, range }: Predicate): string {
  const times = `from ${query.from ?? 'the beginning'} to ${query.to ?? 'the end'}`
  const filters = (['control', 'agent', 'session'] as const)
    .filter((name) => query[name] !== null)
    .map((name) => `, ${name} ${query[name]}`)
    .join('')
  const where = range === null ? 'no record' : `leaves ${range.first} to ${range.last}`
  return `${where} of the log ${log.origin} at size ${log.size}: ${times}${filters}`
}

function selection(tally: Tally): JsonObject {
  const ids = sorted(tally.controls).map(([id]) => ({ 'control-id': token(id) }))
  return ids.length === 0
    ? { description: 'No record of this selection carries a control.' }
    : { 'include-controls': ids }
}

type Uuid = (what: string) => string

// A group that is there has an entry: OSCAL's JSON has no empty ones.
function observations(tally: Tally, uuid: Uuid, moment: string): JsonObject {
  const all = sorted(tally.controls).map(([id, control]) => observation(id, control, uuid, moment))
  return all.length === 0 ? {} : { observations: all }
}

function observation(id: string, control: ControlTally, uuid: Uuid, moment: string): JsonObject {
  const events = sorted(control.events).map(([event, times]) => `${times} ${event}`)
  return {
    uuid: uuid(`observation ${id}`),
    title: `Records that carry ${id}`,
    description: `${control.records} records, leaves ${control.first} to ${control.last}: ${events.join(', ')}.`,
    props: props({
      'control-id': id,
      records: String(control.records),
      'first-leaf': String(control.first),
      'last-leaf': String(control.last),
    }),
    methods: ['EXAMINE'],
    'relevant-evidence': [
      {
        href: `#${uuid(FILES.records)}`,
        description: `Records whose "controls" hold ${id}; proofs/ leads each to the signed root.`,
      },
    ],
    collected: moment,
    remarks: `From ${control.from} to ${control.to}. Evidences what the gateway did; whether the control is satisfied is the assessor's to say.`,
  }
}

function resources(uuid: Uuid): readonly JsonObject[] {
  const file = (name: string, description: string): JsonObject => ({
    uuid: uuid(name),
    description,
    rlinks: [{ href: `../${name}` }],
  })
  return [
    {
      uuid: uuid('plan'),
      description: 'There is no assessment plan: the records were made by the gateway in operation.',
    },
    file(FILES.records, 'The records, as they stand in the log'),
    file(FILES.checkpoint, 'The signed root of the log'),
    file(FILES.hashes, 'What leads from the records to the root'),
  ]
}

function props(values: Readonly<Record<string, string>>): readonly JsonObject[] {
  return Object.entries(values).map(([name, value]) => ({ name, ns: NAMESPACE, value }))
}

/** OSCAL's token: `IS.II.C.15(a)` is `IS.II.C.15.a` there; the id itself stands in the property `control-id`. */
export function token(id: string): string {
  const plain = id
    .replaceAll('(', '.')
    .replaceAll(')', '')
    .replaceAll(/[^\p{L}\p{N}._-]/gu, '_')
  return /^[\p{L}_]/u.test(plain) ? plain : `_${plain}`
}
