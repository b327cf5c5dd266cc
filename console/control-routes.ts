import {
  coverageOf,
  isCitable,
  rulesOf,
  selfTestsOf,
  type ControlPack,
  type CoverageRow,
} from '../engine/controls/index.ts'
import type { PolicyStore } from '../engine/policy/index.ts'
import { lookers } from './access.ts'
import type { App } from './app.ts'
import type { EvidenceRoutes } from './decision-routes.ts'
import { recordShape, recordView } from './decision-view.ts'
import { NotThere } from './problem.ts'
import * as shape from './shape.ts'

export interface ControlRoutes extends EvidenceRoutes {
  readonly pack: ControlPack
  readonly policy: PolicyStore
  /** Milliseconds since 1970. */
  now(): number
}

interface Period {
  readonly from?: string
  readonly to?: string
}

/** How far back coverage looks where nobody says. */
const DAYS = 30
const DAY_MS = 86_400_000
const NEWEST = 25

const day: shape.Shape = { type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\d$', description: 'A day, UTC' }
const period = shape.query({ from: day, to: day })
const coveredShape = shape.object({
  id: shape.text,
  framework: shape.text,
  title: shape.text,
  strength: { enum: ['direct', 'partial', 'supporting'] },
  certainty: shape.text,
  identifiers: { enum: ['source', 'ours'] },
  standing: { enum: ['evidenced', 'none in the period', 'not recorded yet', 'not looked for'] },
  records: shape.count,
  decisions: shape.count,
  named_by_rules: shape.count,
  rules: shape.list(shape.object({ id: shape.text, verdict: shape.text, tests: shape.count })),
  not_shown: shape.optionalText,
})

/** What stands behind each control: the rules in force that name it, and records of a period, counted by day. */
export function controlRoutes(app: App, options: ControlRoutes): void {
  const { access, principalOf, overview, pack } = options
  const mayLook = lookers(access, principalOf)

  app.get<{ Querystring: Period }>(
    '/v1/controls',
    {
      preHandler: mayLook,
      schema: {
        summary: 'Controls, the rules in force behind each, and records of a period',
        tags: ['controls'],
        querystring: period,
        response: {
          200: shape.object({
            pack: shape.object({ version: shape.text, digest: shape.digest }),
            from: day,
            to: day,
            controls: shape.list(coveredShape),
          }),
        },
      },
    },
    async ({ query }) => {
      const asked = days(query, options.now())
      const rows = await covered(options, asked)
      const { version, digest } = pack
      return { pack: { version, digest }, ...asked, controls: rows.map(coveredView) }
    },
  )

  app.get<{ Params: { readonly id: string }; Querystring: Period }>(
    '/v1/controls/:id',
    {
      preHandler: mayLook,
      schema: {
        summary: 'One control: where it comes from, what is not shown of it, its newest records',
        tags: ['controls'],
        params: shape.params('id', '^[A-Za-z0-9().,_ -]{1,80}$'),
        querystring: period,
        response: {
          200: shape.object({
            control: coveredShape,
            source: shape.object({ document: shape.text, section: shape.text, exam_procedure: shape.optionalText }),
            paraphrase: shape.optionalText,
            events: shape.texts,
            missing_events: shape.texts,
            crosswalk: shape.anything,
            from: day,
            to: day,
            newest: shape.list(recordShape),
          }),
        },
      },
    },
    async ({ params: { id }, query }) => {
      const asked = days(query, options.now())
      const row = (await covered(options, asked)).find(({ control }) => control.id === id)
      if (row === undefined) throw new NotThere(`there is no control ${id} in the pack`)
      const { source, paraphrase, events, crosswalk } = row.control
      const newest = await overview.ask('cited', { control: id, limit: NEWEST })
      return {
        control: coveredView(row),
        source: { document: source.document, section: source.section, exam_procedure: source.examProcedure },
        paraphrase,
        events,
        missing_events: row.missingEvents,
        crosswalk,
        ...asked,
        newest: newest.map(recordView),
      }
    },
  )
}

async function covered(
  { overview, pack, policy }: ControlRoutes,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<readonly CoverageRow[]> {
  const { metadata } = policy.current()
  const counted = await overview.ask('events', { from, to })
  const controls = [...pack.controls.values()].filter(isCitable)
  return coverageOf(controls, { rules: rulesOf(metadata), tests: selfTestsOf(metadata), counted })
}

function days({ from, to }: Period, now: number): { readonly from: string; readonly to: string } {
  const today = new Date(now).toISOString().slice(0, 10)
  const earlier = new Date(now - DAYS * DAY_MS).toISOString().slice(0, 10)
  return { from: from ?? earlier, to: to ?? today }
}

function coveredView({ control, rules, standing, records, decisions, namedByRules }: CoverageRow): object {
  const { id, framework, title, strength, certainty, identifiers, notShown } = control
  return {
    id,
    framework,
    title,
    strength,
    certainty,
    identifiers,
    standing,
    records,
    decisions,
    named_by_rules: namedByRules,
    rules,
    not_shown: notShown,
  }
}
