import { tagsOf, type Replay, type Step, type Tag } from '../../../engine/replay/browser.ts'

/** A pause is never longer, and a step never shorter to see, than this (ms). */
const LONGEST = 3000
const SHORTEST = 250

/** Which step is looked at, and whether time runs. Tells `onMove` of each step it comes to, `onState` of play and pause. */
export class Player {
  speed = 1
  readonly #steps: readonly Step[]
  readonly #onMove: (step: Step) => void
  readonly #onState: (playing: boolean) => void
  #shown: readonly Step[]
  #at = -1
  #timer: ReturnType<typeof setTimeout> | null = null

  constructor({ steps }: Replay, on: { move(step: Step): void; state(playing: boolean): void }) {
    this.#steps = steps
    this.#shown = steps
    this.#onMove = (step) => on.move(step)
    this.#onState = (playing) => on.state(playing)
  }

  get playing(): boolean {
    return this.#timer !== null
  }

  get current(): Step | null {
    return this.#steps[this.#at] ?? null
  }

  /** Only these are gone through from here on. */
  show(steps: readonly Step[]): void {
    this.#shown = steps
  }

  toggle(): void {
    if (this.playing) this.pause()
    else this.#play()
  }

  pause(): void {
    if (this.#timer === null) return
    clearTimeout(this.#timer)
    this.#timer = null
    this.#onState(false)
  }

  goTo(number: number): void {
    const at = this.#steps.findIndex((step) => step.number === number)
    const step = this.#steps[at]
    if (step === undefined) return
    this.#at = at
    this.#onMove(step)
  }

  /** The next shown step, or the one before; false at the end. */
  move(by: 1 | -1): boolean {
    const from = this.current?.number ?? 0
    const next =
      by === 1 ? this.#shown.find(({ number }) => number > from) : this.#shown.findLast(({ number }) => number < from)
    if (next !== undefined) this.goTo(next.number)
    return next !== undefined
  }

  /** The next step with this tag, from the beginning again behind the last. */
  jump(tag: Tag): boolean {
    const from = this.current?.number ?? 0
    const tagged = this.#steps.filter((step) => tagsOf(step).includes(tag))
    const next = tagged.find(({ number }) => number > from) ?? tagged[0]
    if (next !== undefined) this.goTo(next.number)
    return next !== undefined
  }

  #play(): void {
    const atEnd = this.current === null || !this.#shown.some(({ number }) => number > (this.current?.number ?? 0))
    if (atEnd) this.#at = -1
    if (!this.move(1)) return
    this.#wait()
    this.#onState(true)
  }

  #wait(): void {
    const { current } = this
    const next = this.#shown.find(({ number }) => number > (current?.number ?? 0))
    if (current === null || next === undefined) {
      this.#timer = setTimeout(() => this.pause(), SHORTEST)
      return
    }
    const gap = (next.offsetMs - current.offsetMs) / this.speed
    this.#timer = setTimeout(
      () => {
        this.move(1)
        this.#wait()
      },
      Math.min(LONGEST, Math.max(SHORTEST, gap)),
    )
  }
}
