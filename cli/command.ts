/** What a command gets of the process it runs in. */
export interface CommandIo {
  readonly stdout: { write(text: string): unknown; readonly isTTY?: boolean | undefined }
  readonly stderr: { write(text: string): unknown }
  readonly env: Readonly<Record<string, string | undefined>>
}

/** `argv`: what follows the command's name. Resolves with the exit code. */
export type Command = (argv: readonly string[], io: CommandIo) => Promise<number>
