import { nearest } from '../engine/index.ts'
import type { Command, CommandIo } from './command.ts'
import { EXIT, UsageError } from './exit.ts'

export interface Verb {
  readonly name: string
  readonly summary: string
  /** Loaded only when it is asked for. */
  load(): Promise<Command>
}

/** `countersign <group> <verb> …`: finds the verb, or says which there are. Throws UsageError. */
export async function runVerb(
  group: string,
  verbs: readonly Verb[],
  [name, ...rest]: readonly string[],
  io: CommandIo,
): Promise<number> {
  if (name === '--help' || name === '-h') {
    io.stdout.write(usage(group, verbs))
    return EXIT.ok
  }
  if (name === undefined) throw new UsageError(`what?\n\n${usage(group, verbs)}`)
  const verb = verbs.find((each) => each.name === name)
  if (verb !== undefined) return (await verb.load())(rest, io)
  const names = verbs.map((each) => each.name)
  const meant = nearest(name, names)
  const suggestion = meant === undefined ? '' : `; did you mean ${meant}?`
  throw new UsageError(`there is no command ${JSON.stringify(name)}${suggestion}\n\n${usage(group, verbs)}`)
}

function usage(group: string, verbs: readonly Verb[]): string {
  const width = Math.max(...verbs.map(({ name }) => name.length))
  const lines = verbs.map(({ name, summary }) => `  countersign ${group} ${name.padEnd(width)}  ${summary}`)
  return `usage: countersign ${group} <command> [options]\n\n${lines.join('\n')}\n\n  --help with a command says what it takes\n`
}
