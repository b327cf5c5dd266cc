import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readFile } from 'node:fs/promises'
import type { PostgresServer } from './postgres.ts'

/** A server that writes its log in both of its forms for machines, every statement and connection. */
export const LOG_EVERYTHING: readonly string[] = [
  'logging_collector=on',
  'log_destination=csvlog,jsonlog',
  'log_statement=all',
  'log_connections=on',
  'log_disconnections=on',
]

/** The files of one form, oldest first. */
export function logFiles({ dataDirectory }: Pick<PostgresServer, 'dataDirectory'>, form: 'csv' | 'json'): string[] {
  const directory = join(dataDirectory, 'log')
  const names = readdirSync(directory).filter((name) => name.endsWith(`.${form}`))
  return names.toSorted().map((name) => join(directory, name))
}

/** The collector writes a moment after the statement: resolves when `mark` is in the log. */
export async function logged(server: PostgresServer, form: 'csv' | 'json', mark: string): Promise<string[]> {
  for (let waited = 0; waited < 10_000; waited += 20) {
    const files = logFiles(server, form)
    const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')))
    if (texts.some((text) => text.includes(mark))) return files
    await sleep(20)
  }
  throw new Error(`the server's log never told of ${mark}`)
}
