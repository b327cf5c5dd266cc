const WRITTEN = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))? (\S+)$/
const OFFSET = /^([+-])(\d\d)(?::?(\d\d))?$/

/**
 * The server writes its times in `log_timezone`, under an abbreviation that may mean several zones. A session's start
 * stands in each of its rows twice, as text and, in the session's id, in seconds since 1970: so the log itself tells what
 * its abbreviations mean.
 */
export class LogClock {
  readonly #offsets = new Map<string, number>([
    ['UTC', 0],
    ['GMT', 0],
  ])
  #last = 0

  /** A session's start as text and as milliseconds since 1970. */
  learn(text: string, ms: number): void {
    const local = localOf(text)
    if (local === undefined || this.#offsets.has(local.zone)) return
    this.#offsets.set(local.zone, local.ms - ms)
    this.#last = local.ms - ms
  }

  /** Milliseconds since 1970; undefined for text that is no time. */
  read(text: string): number | undefined {
    const local = localOf(text)
    if (local === undefined) return undefined
    const offset = this.#offsets.get(local.zone) ?? writtenOffset(local.zone) ?? this.#last
    return local.ms - offset
  }
}

function localOf(text: string): { readonly ms: number; readonly zone: string } | undefined {
  const [, year, month, day, hour, minute, second, fraction = '0', zone] = WRITTEN.exec(text) ?? []
  if (zone === undefined) return undefined
  const whole = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second))
  return { ms: whole + Math.floor(Number(`0.${fraction}`) * 1000), zone }
}

/** Zones without a name are written as what they are ahead of UTC. */
function writtenOffset(zone: string): number | undefined {
  const [, sign, hours, minutes = '0'] = OFFSET.exec(zone) ?? []
  if (hours === undefined) return undefined
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000
}
