import {
  duration,
  holdState,
  utc,
  visible,
  type Hold,
  type PolicyInForce,
  type Replay,
} from '../../../engine/replay/browser.ts'
import { card, digest, h, terms } from '../dom.ts'

/** Who; on whose authority; under which rules. */
export function about(replay: Replay): HTMLElement {
  return h('div', { class: 'cards' }, whoCard(replay), authorityCard(replay), rulesCard(replay))
}

function whoCard({ who, session, writer, closed }: Replay): HTMLElement {
  const chain = [who.id, ...who.act].map(visible).join(' ← ')
  const client = Object.entries(who.client).map(([name, value]) => `${visible(name)} ${visible(value)}`)
  return card(
    'Who',
    terms([
      ['Principal', `${visible(who.id)} (${visible(who.kind)})`],
      ['Owner', who.owner === null ? null : visible(who.owner)],
      ['Acts through', who.act.length === 0 ? null : chain],
      ['Groups', who.groups.map(visible).join(', ')],
      ['Issuer', visible(who.issuer)],
      ['Token', digest(who.tokenDigest)],
      ['From', who.source === null ? null : visible(who.source)],
      ['Client', client.join(', ')],
      ['Session', h('code', {}, session)],
      ['Gateway', h('code', {}, writer)],
      ['Ended', closed === null ? 'not yet' : `${utc(closed.at)}, ${visible(closed.reason)}`],
    ]),
  )
}

function authorityCard({ steps }: Replay): HTMLElement {
  const held = steps.flatMap(({ hold, number }) => (hold === null ? [] : [{ hold, number }]))
  if (held.length === 0) {
    return card('Authority', h('p', {}, 'No statement needed a person: policy alone decided all of them.'))
  }
  return card('Authority', h('ul', { class: 'plain' }, ...held.map(({ hold, number }) => approvalItem(hold, number))))
}

function approvalItem(hold: Hold, number: number): HTMLElement {
  return h(
    'li',
    {},
    h('a', { href: `#step-${number}` }, `Step ${number}`),
    `: ${holdState(hold)}`,
    ...hold.answers.map((answer) => h('p', {}, answerText(answer))),
    h('p', { class: 'muted' }, `asked of ${hold.approvers.map(visible).join(', ')}, ${hold.quorum} needed`),
  )
}

export function answerText({ by, answer, reason, at }: Hold['answers'][number]): string {
  const said = reason === null ? '' : `: “${visible(reason)}”`
  return `${visible(by)} ${answer === 'approve' ? 'approved' : 'denied'}, ${utc(new Date(at).toISOString())}${said}`
}

function rulesCard({ policies }: Replay): HTMLElement {
  if (policies.length === 0) return card('Rules', h('p', {}, 'Nothing was decided in this session.'))
  return card('Rules', ...policies.map(policyTerms))
}

function policyTerms({
  revision,
  digest: bundle,
  since,
  pack,
  compiler,
  controlPack,
  steps,
}: PolicyInForce): HTMLElement {
  return terms([
    ['Policy', pack === null ? null : visible(pack)],
    ['Revision', visible(revision)],
    ['Bundle', digest(bundle)],
    ['In force since', since === null ? 'its activation is not in this log' : utc(since)],
    ['Compiled by', compiler === null ? null : visible(compiler)],
    ['Control pack', controlPack === null ? null : digest(controlPack)],
    ['Decided', `${steps.length} ${steps.length === 1 ? 'statement' : 'statements'}`],
  ])
}

export function waited({ requestedAt, answers }: Hold): string | null {
  const last = answers.at(-1)
  return last === undefined ? null : duration((last.at - requestedAt) * 1000)
}
