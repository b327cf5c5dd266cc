import { type MaskingKey, type MaskMethod, maskJsonValue, maskText, stricterMask } from '../../../engine/index.ts'
import type { PlannedMask } from './part.ts'

export interface CountedMask extends PlannedMask {
  count: number
}

/** How far one path has been followed. There is one for each of its steps, so that many ways to it stay one. */
export interface PathState {
  /** Tells it from all others of its plan. */
  readonly id: number
  readonly mask: CountedMask
  /** The step to take from here; null at its end. */
  readonly step: string | null
  readonly next: PathState | null
  /** The step that led here is `**`: here is anywhere. */
  readonly isAnywhere: boolean
}

/** Other names under which an answer shows a field (GraphQL): shown name → the fields that it may be. */
export type Aliases = ReadonlyMap<string, ReadonlySet<string>>
export const NO_ALIASES: Aliases = new Map()

/** In place of a key: one that no path names, and an element of a list. No key can be taken for them: those are in small letters. */
const UNNAMED = 'A'
const ELEMENT = 'B'

/** The masks over one body, as a walk through it meets them; it counts what they hide. */
export class MaskPlan {
  readonly #masks: readonly CountedMask[]
  readonly #aliases: Aliases
  readonly #key: MaskingKey | null
  readonly #start: readonly PathState[]
  /** Keys that some path names; to every path all others are alike. */
  readonly #named: ReadonlySet<string>
  /** One list for all ways to the same states, so that what follows from it is worked out once. */
  readonly #lists = new Map<string, readonly PathState[]>()
  readonly #followed = new Map<readonly PathState[], Map<string, readonly PathState[]>>()
  readonly #endings = new Map<readonly PathState[], readonly CountedMask[]>()
  readonly #cut = new Map<readonly PathState[], readonly CountedMask[]>()

  /** `key`: of the methods that need one. */
  constructor(masks: readonly CountedMask[], aliases: Aliases, key: MaskingKey | null) {
    this.#masks = masks
    this.#key = key
    this.#aliases = new Map(
      [...aliases].map(([shown, fields]) => [
        shown.toLowerCase(),
        new Set([...fields].map((each) => each.toLowerCase())),
      ]),
    )
    const paths = masks.flatMap((mask) => (mask.part.kind === 'path' ? [{ mask, path: mask.part.path }] : []))
    let id = 0
    const nextId = (): number => (id += 1)
    this.#start = this.#one(withSkips(paths.map(({ mask, path }) => statesOf(mask, path, nextId))))
    this.#named = new Set([...paths.flatMap(({ path }) => path), ...this.#aliases.keys()])
  }

  /** Nothing of a body is to be hidden. */
  get isEmpty(): boolean {
    return this.#masks.every(({ part }) => part.kind === 'header')
  }

  get hasWhole(): boolean {
    return this.#masks.some(({ part }) => part.kind === 'body')
  }

  get hasPaths(): boolean {
    return this.#start.length > 0
  }

  get hasPatterns(): boolean {
    return this.#masks.some(({ part }) => part.kind === 'pattern')
  }

  /** Over all of the body: by which method. Null where none is. */
  whole(): MaskMethod | null {
    return counted(this.#masks.filter(({ part }) => part.kind === 'body'))
  }

  /** Where every path begins. */
  start(): readonly PathState[] {
    return this.#start
  }

  /** Into the value of a key, without regard to capitals. */
  into(states: readonly PathState[], key: string): readonly PathState[] {
    const name = key.toLowerCase()
    const isNamed = this.#named.has(name)
    const word = isNamed ? name : UNNAMED
    const known = this.#followed.get(states)?.get(word)
    if (known !== undefined) return known
    return this.#follow(states, word, () => {
      const fields = this.#aliases.get(name)
      return further(states, (step) => step === '*' || (isNamed && (step === name || fields?.has(step) === true)))
    })
  }

  /** Into an element of a list: a path goes on as if there were none, or takes a step of any name. */
  element(states: readonly PathState[]): readonly PathState[] {
    return this.#follow(states, ELEMENT, () => [...new Set([...states, ...further(states, (step) => step === '*')])])
  }

  /** The masks whose path ends here, counted: by which method. Null where none does. */
  ended(states: readonly PathState[]): MaskMethod | null {
    const known = this.#endings.get(states)
    const masks = known ?? remembered(this.#endings, states, () => masksOf(states.filter(({ step }) => step === null)))
    return masks.length === 0 ? null : counted(masks)
  }

  /** A value stands where a path should go on: nobody can tell what is in it. Counts, and says whether to hide it. */
  hides(states: readonly PathState[]): boolean {
    const masks =
      this.#cut.get(states) ??
      remembered(this.#cut, states, () =>
        masksOf(states.filter(({ step, isAnywhere }) => step !== '**' && !isAnywhere)),
      )
    return masks.length > 0 && counted(masks) !== null
  }

  /** What looks like something labelled, masked wherever it stands; null where nothing does. */
  patterned(text: string): string | null {
    let changed = text
    for (const mask of this.#masks) {
      if (mask.part.kind !== 'pattern') continue
      changed = changed.replaceAll(mask.part.pattern, (found) => {
        mask.count += 1
        return this.text(mask.method, found) ?? '[redacted]'
      })
    }
    return changed === text ? null : changed
  }

  /** A text under a method; null where nothing of it may be shown. */
  text(method: MaskMethod, value: string): string | null {
    return maskText(method, value, this.#key)
  }

  /** As `maskJsonValue`. */
  json(method: MaskMethod, found: string): string {
    return maskJsonValue(method, found, this.#key)
  }

  #follow(states: readonly PathState[], word: string, work: () => readonly PathState[]): readonly PathState[] {
    const known = remembered(this.#followed, states, () => new Map<string, readonly PathState[]>())
    return remembered(known, word, () => this.#one(work()))
  }

  #one(states: readonly PathState[]): readonly PathState[] {
    const key = states.map(({ id }) => id).join(' ')
    return remembered(this.#lists, key, () => states)
  }

  /** One field of a flat body, a form's or a column's, in a list or not. Null: it is shown. */
  field(name: string): MaskMethod | null {
    return this.ended(this.into(this.element(this.#start), name))
  }
}

function masksOf(states: readonly PathState[]): readonly CountedMask[] {
  return states.map(({ mask }) => mask)
}

function remembered<Key, Value>(known: Map<Key, Value>, key: Key, make: () => Value): Value {
  const found = known.get(key)
  if (found !== undefined) return found
  const made = make()
  known.set(key, made)
  return made
}

function statesOf(mask: CountedMask, path: readonly string[], nextId: () => number): PathState {
  return path.reduceRight<PathState>(
    (next, step, index) => ({ id: nextId(), mask, step, next, isAnywhere: path[index - 1] === '**' }),
    { id: nextId(), mask, step: null, next: null, isAnywhere: path.at(-1) === '**' },
  )
}

function further(states: readonly PathState[], takes: (step: string) => boolean): readonly PathState[] {
  const found = states.flatMap((state): readonly PathState[] => {
    const { step, next } = state
    if (step === null || next === null) return []
    if (step === '**') return [state]
    return takes(step) ? [next] : []
  })
  return withSkips(found)
}

/** `**` stands for no step as well. */
function withSkips(states: readonly PathState[]): readonly PathState[] {
  if (!states.some(({ step }) => step === '**')) return states
  const all = new Set<PathState>()
  for (const state of states) {
    all.add(state)
    for (let { step, next } = state; step === '**' && next !== null; { step, next } = next) all.add(next)
  }
  return [...all]
}

function counted(masks: readonly CountedMask[]): MaskMethod | null {
  let found: MaskMethod | null = null
  for (const mask of new Set(masks)) {
    mask.count += 1
    found = found === null ? mask.method : stricterMask(found, mask.method)
  }
  return found
}
