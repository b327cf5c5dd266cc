import { NAMESPACE } from '../ext-proc/witness.ts'
import { record } from '../xds/read-message.ts'

/** One exchange as Envoy saw it. */
export interface AccessLogEntry {
  /** It had a connection upstream. */
  readonly wentUp: boolean
  /** What a processor said of it, in words that no client or upstream can say. */
  readonly allowed: boolean
  readonly decision: string | null
  /** The gateway that decided. */
  readonly by: string | null
  /** null: there was no answer. */
  readonly status: number | null
}

/** Those of one message of Envoy's access log. Throws TypeError. */
export function readEntries(message: unknown): readonly AccessLogEntry[] {
  const logs = record(message, 'the message')['http_logs']
  if (logs === null || logs === undefined) return []
  const entries = record(logs, 'http_logs')['log_entry']
  if (!Array.isArray(entries)) throw new TypeError('http_logs.log_entry: expected a list')
  return entries.map(readEntry)
}

function readEntry(value: unknown): AccessLogEntry {
  const entry = record(value, 'an entry')
  const common = record(entry['common_properties'], 'common_properties')
  const said = witnessOf(common['metadata'])
  const response = entry['response']
  const code: unknown =
    response === null || response === undefined ? null : Object(Object(response)['response_code'])['value']
  const up = common['upstream_remote_address']
  return {
    wentUp: up !== null && up !== undefined,
    allowed: said('req') === 'allow',
    decision: said('decision'),
    by: said('by'),
    status: typeof code === 'number' && code > 0 ? code : null,
  }
}

function witnessOf(metadata: unknown): (name: string) => string | null {
  const namespaces: unknown = Object(metadata)['filter_metadata']
  const fields: unknown = Object(Object(Object(namespaces)[NAMESPACE])['fields'])
  return (name) => {
    const found: unknown = Object(Object(fields)[name])['stringValue']
    return typeof found === 'string' && found !== '' ? found : null
  }
}
