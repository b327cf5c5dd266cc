import { button, h } from '../dom.ts'
import type { Approval } from './approval.ts'
import { sentence } from './wording.ts'

/** What a person can say to a hold; or why they can't, where that is worth saying. */
export function answerForm(
  approval: Approval,
  send: (answer: 'approve' | 'deny', reason: string | null) => Promise<string | null>,
): HTMLElement {
  if (!approval.mayAnswer)
    return h('p', { class: 'cannot' }, approval.state === 'requested' ? sentence(approval.whyNot) : '')
  const reason = h('textarea', {
    id: 'reason',
    name: 'reason',
    rows: '2',
    maxlength: '2000',
    autocomplete: 'off',
    'aria-describedby': 'answer-trouble',
    required: approval.reasonRequired,
  })
  const trouble = h('p', { id: 'answer-trouble', class: 'trouble', role: 'alert' })
  const buttons = h('div', { class: 'buttons' })
  const answer = (which: 'approve' | 'deny') => async (): Promise<void> => {
    const text = reason.value.trim()
    if (text === '' && approval.reasonRequired) {
      trouble.textContent = 'Policy asks for a reason. Say in a few words why.'
      reason.focus()
      return
    }
    setBusy(buttons, true)
    const refused = await send(which, text === '' ? null : text)
    setBusy(buttons, false)
    if (refused !== null) trouble.textContent = sentence(refused)
  }
  buttons.append(
    button('Approve', () => void answer('approve')(), { class: 'approve', 'aria-keyshortcuts': 'a' }),
    button('Deny', () => void answer('deny')(), { class: 'deny', 'aria-keyshortcuts': 'd' }),
  )
  const asked = approval.reasonRequired ? 'Reason (needed)' : 'Reason (optional)'
  return h('form', { class: 'answer' }, h('label', { for: 'reason' }, asked), reason, trouble, buttons)
}

function setBusy(buttons: HTMLElement, busy: boolean): void {
  for (const each of buttons.querySelectorAll('button')) each.disabled = busy
}
