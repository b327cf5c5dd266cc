import { readFile } from 'node:fs/promises'

/** Resident memory of a process, MiB (Linux). */
export async function resident(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024
}

/** Runs `work`, looking at the process's memory all the while; prints and resolves with how much it grew, MiB. */
export async function growth(pid: number, what: string, work: () => Promise<void>): Promise<number> {
  const before = await resident(pid)
  let peak = before
  const looking = setInterval(() => void resident(pid).then((now) => (peak = Math.max(peak, now))), 50)
  const started = performance.now()
  try {
    await work()
  } finally {
    clearInterval(looking)
  }
  const seconds = (performance.now() - started) / 1000
  process.stdout.write(
    `${what}: ${seconds.toFixed(1)} s, memory ${before.toFixed(0)} MiB before, ${peak.toFixed(0)} MiB at most\n`,
  )
  return peak - before
}
