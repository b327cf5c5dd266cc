import type { Step } from './step.ts'
import { tagsOf, visible, type Tag } from './wording.ts'

/** Some text that appears on a terminal, a while (ms) after what came before it. */
export interface Scene {
  readonly afterMs: number
  /** Lines, without line ends. */
  readonly lines: readonly string[]
  /** Null for what stands before and behind the statements. */
  readonly step: Step | null
}

export interface CastOptions {
  readonly title: string
  /** Seconds since 1970. */
  readonly timestamp: number
  readonly cols: number
  readonly rows: number
}

/** What a viewer can jump to. */
const MARKED: readonly Tag[] = ['rejected', 'masked', 'approved']

/**
 * asciicast v3: a header, then events with the seconds since the one before. `m` marks what was rejected, masked or
 * approved; `x` ends it. https://docs.asciinema.org/manual/asciicast/v3/
 */
export function asciicast(scenes: readonly Scene[], { title, timestamp, cols, rows }: CastOptions): string {
  const header = { version: 3, term: { cols, rows }, timestamp, title }
  const events = scenes.flatMap(({ afterMs, lines, step }) => {
    const text = lines.map((line) => `${line}\r\n`).join('')
    const after = Number((Math.max(0, afterMs) / 1000).toFixed(6))
    const label = step === null ? null : markerOf(step)
    return label === null
      ? [[after, 'o', text]]
      : [
          [after, 'm', label],
          [0, 'o', text],
        ]
  })
  return [header, ...events, [0, 'x', '0']].map((line) => `${JSON.stringify(line)}\n`).join('')
}

function markerOf(step: Step): string | null {
  const tags = tagsOf(step).filter((tag) => MARKED.includes(tag))
  return tags.length === 0 ? null : `${step.number}. ${tags.join(', ')}: ${visible(step.action)}`
}
