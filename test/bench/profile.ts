import { readdir, readFile } from 'node:fs/promises'
import { join, sep } from 'node:path'

export interface SelfTime {
  readonly name: string
  readonly place: string
  /** Of all that was sampled while not idle, 0..1. */
  readonly share: number
}

interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
}

interface Profile {
  readonly nodes: readonly ProfileNode[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** The functions of the busiest thread that used most time themselves, from what `--cpu-prof` left in a directory. */
export async function topSelfTimes(directory: string, count: number): Promise<readonly SelfTime[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.cpuprofile'))
  const texts = await Promise.all(names.map((name) => readFile(join(directory, name), 'utf8')))
  const threads = texts.map((text): Map<string, number> => selfTimes(JSON.parse(text)))
  const busiest = threads.toSorted((one, other) => total(other) - total(one))[0] ?? new Map<string, number>()
  const all = total(busiest)
  return [...busiest]
    .toSorted(([, one], [, other]) => other - one)
    .slice(0, count)
    .map(([key, micros]) => {
      const [name = '', place = ''] = key.split('\t')
      return { name, place, share: micros / all }
    })
}

function selfTimes({ nodes, samples, timeDeltas }: Profile): Map<string, number> {
  const keys = new Map(nodes.map((node) => [node.id, keyOf(node)]))
  const times = new Map<string, number>()
  for (const [index, id] of samples.entries()) {
    const key = keys.get(id)
    if (key === undefined || key.startsWith('(idle)')) continue
    times.set(key, (times.get(key) ?? 0) + (timeDeltas[index] ?? 0))
  }
  return times
}

function keyOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  const file = url.split(sep).slice(-3).join(sep)
  return `${functionName || '(anonymous)'}\t${file === '' ? '' : `${file}:${lineNumber + 1}`}`
}

function total(times: ReadonlyMap<string, number>): number {
  return [...times.values()].reduce((sum, micros) => sum + micros, 0)
}
