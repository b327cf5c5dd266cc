export interface Listed {
  readonly name: string
  readonly summary: string
}

/** `countersign --help`. */
export function usage(commands: readonly Listed[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length))
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`)
  return `usage: countersign <command> [options]

${lines.join('\n')}

  --help      this, or with a command what it takes
  --version   the version of this program

exit: 0 done, 1 a check failed, 64 wrong usage, 69 something needed is not there, 70 a fault in this program,
      74 evidence or state can't be written, 78 the configuration or the policy bundle is wrong
`
}
