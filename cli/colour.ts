import { styleText } from 'node:util'
import type { CommandIo } from './command.ts'

export type Tone = 'good' | 'bad' | 'waiting' | 'faint' | 'loud'

const STYLES = { good: 'green', bad: 'red', waiting: 'yellow', faint: 'dim', loud: ['bold', 'red'] } as const

/** Puts a tone on text where that is seen: on a terminal, unless NO_COLOR (no-color.org) says otherwise. Never the only sign. */
export type Paint = (tone: Tone, text: string) => string

export function paintFor({ stdout, env }: CommandIo): Paint {
  const wanted = stdout.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
  return wanted
    ? (tone, text) => styleText([STYLES[tone]].flat(), text, { validateStream: false })
    : (_tone, text) => text
}

export const plain: Paint = (_tone, text) => text
