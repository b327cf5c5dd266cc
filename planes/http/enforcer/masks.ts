import { type AppliedMask, type FieldMask, keyUsed, type MaskingKey, maskText } from '../../../engine/index.ts'
import type { HeaderLine } from '../message.ts'
import { type Aliases, type CountedMask, MaskPlan, NO_ALIASES } from './mask-plan.ts'
import { plannedMask } from './part.ts'

/** The masks of one verdict over one request and its answer, and how often each was put over something. */
export class ExchangeMasks {
  readonly #masks: readonly CountedMask[]
  readonly #key: MaskingKey | null
  /** Over the body that goes up. */
  readonly sent: MaskPlan
  /** Over the body that comes back. */
  readonly answered: MaskPlan

  /** `resources`: names in the request that was judged. Throws ObligationError for a field that nothing of them has. */
  constructor(fields: readonly FieldMask[], resources: readonly string[], aliases: Aliases, key: MaskingKey | null) {
    this.#key = key
    this.#masks = fields.map((field) => ({ ...plannedMask(field, resources), count: 0 }))
    this.sent = new MaskPlan(
      this.#masks.filter(({ side }) => side === 'request'),
      NO_ALIASES,
      key,
    )
    this.answered = new MaskPlan(
      this.#masks.filter(({ side }) => side === 'answer'),
      aliases,
      key,
    )
  }

  /** Nothing of the answer is to be hidden. */
  get answerIsFree(): boolean {
    return !this.#masks.some(({ side }) => side === 'answer')
  }

  get counts(): readonly AppliedMask[] {
    return this.#masks.map(({ field, method, count }) => ({ field, method, ...keyUsed(method, this.#key), count }))
  }

  /** Header lines under the masks of their side: what may not be shown at all is left out. */
  headers(lines: readonly HeaderLine[], side: CountedMask['side']): readonly HeaderLine[] {
    const masks = this.#masks.filter((mask) => mask.side === side && mask.part.kind === 'header')
    if (masks.length === 0) return lines
    return lines.flatMap(([name, value]): readonly HeaderLine[] => {
      const mask = masks.find(({ part }) => part.kind === 'header' && part.name === name.toLowerCase())
      if (mask === undefined) return [[name, value]]
      mask.count += 1
      const masked = maskText(mask.method, value, this.#key)
      return masked === null ? [] : [[name, masked]]
    })
  }
}
