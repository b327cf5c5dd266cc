import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** Cleans up after this process when it can't do so itself any more. */
export interface Keeper {
  /** To be ended (SIGKILL) if we die. */
  watch(pid: number): void
  /** Everything is cleaned up already: the keeper goes without doing anything. */
  dismiss(): Promise<void>
}

// Each line is a process to end. The pipe's end without `done` before it means that we are gone, `kill -9` included.
const SCRIPT = `
trap '' INT HUP TERM
pids=
while read -r line; do
  [ "$line" = done ] && exit 0
  pids="$pids $line"
done
for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
rm -rf "$1"
`

/** Starts a keeper that also removes `directory`. */
export function startKeeper(directory: string): Keeper {
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'keeper', directory], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const gone = once(child, 'exit')
  child.stdin.on('error', () => undefined)
  child.unref()
  return {
    watch: (pid) => void child.stdin.write(`${pid}\n`),
    dismiss: async () => {
      child.ref()
      child.stdin.end('done\n')
      await gone
    },
  }
}
