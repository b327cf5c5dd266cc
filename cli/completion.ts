import type { Command, CommandIo } from './command.ts'
import { commandLine } from './command-line.ts'
import { bashScript, fishScript, zshScript, type Completable } from './completion-scripts.ts'
import { EXIT, UsageError } from './exit.ts'
import type { Verb } from './verbs.ts'

const USAGE = `usage: countersign completion bash|zsh|fish

Prints a script that has a shell complete this program's commands and options:

  bash   source <(countersign completion bash)        in ~/.bashrc
  zsh    source <(countersign completion zsh)         in ~/.zshrc, after compinit
  fish   countersign completion fish > ~/.config/fish/completions/countersign.fish

exit: 0 printed, 64 wrong usage
`

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const

/** `countersign completion`: what there is to complete is what each command says of itself. */
export function completionOf(commands: readonly Verb[]): Command {
  return async (argv, io) => {
    const { values, positionals } = commandLine(USAGE, {}, argv)
    if (values.help) {
      io.stdout.write(USAGE)
      return EXIT.ok
    }
    const [shell = '', ...more] = positionals
    if (!isShell(shell) || more.length > 0)
      throw new UsageError(`expected bash, zsh or fish; found ${argv.join(' ')}\n\n${USAGE}`)
    io.stdout.write(SCRIPTS[shell](await Promise.all(commands.map((command) => completable(command, io)))))
    return EXIT.ok
  }
}

function isShell(text: string): text is keyof typeof SCRIPTS {
  return Object.hasOwn(SCRIPTS, text)
}

async function completable(command: Verb, io: CommandIo): Promise<Completable> {
  const { name, summary } = command
  const text = await helpOf(command, [], io)
  const found = text.matchAll(new RegExp(`^(?:usage:)? +countersign ${name} ([a-z][a-z-]*)(?: |$)`, 'gm'))
  const verbs = [...new Set([...found].map(([, verb = '']) => verb))]
  const options = optionsIn(text)
  const below = await Promise.all(
    verbs.map(async (verb) => ({ name: verb, options: optionsIn(await helpOf(command, [verb], io)) })),
  )
  return { name, summary, options, verbs: below }
}

/** What a command prints when it is asked; a command that won't say has nothing to complete. */
async function helpOf(command: Verb, argv: readonly string[], { env }: CommandIo): Promise<string> {
  let text = ''
  const write = (part: string): unknown => (text += part)
  const run = await command.load()
  await run([...argv, '--help'], { stdout: { write }, stderr: { write: () => undefined }, env })
  return text
}

function optionsIn(text: string): readonly string[] {
  const found = [...text.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)].map(([option]) => option)
  return [...new Set([...found, '--help'])].toSorted((one, other) => (one < other ? -1 : 1))
}
