import { pino } from 'pino'
import type { JsonObject } from '../engine/index.ts'

/** The gateway's log for operators: JSON lines, no secrets, nothing that evidence doesn't tell better. */
export interface Log {
  readonly debug: LogEvent
  readonly info: LogEvent
  readonly warn: LogEvent
  readonly error: LogEvent
}

export type LogEvent = (event: string, fields?: JsonObject) => void
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Each line: `level`, `time` (RFC 3339), `instance`, `event` and the event's own fields. */
export function openLog(level: LogLevel, instance: string, to: { write(text: string): unknown }): Log {
  const logger = pino(
    {
      level,
      base: { instance },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => void to.write(line) },
  )
  const at =
    (each: LogLevel): LogEvent =>
    (event, fields = {}) =>
      logger[each]({ event, ...fields })
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
