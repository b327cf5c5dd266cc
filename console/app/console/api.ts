/** A refusal of the API (RFC 9457), in its own words. */
export class Refusal extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, detail: string) {
    super(detail)
    this.status = status
    this.code = code
  }
}

type Json = Readonly<Record<string, unknown>>

/** The gateway's HTTP API, as the person who is signed in here. `csrf` comes from `/v1/me`. */
export class Api {
  #csrf = ''

  /** Who is signed in; null when nobody is. */
  async me(): Promise<Json | null> {
    try {
      const me = await this.get('/v1/me')
      this.#csrf = typeof me['csrf'] === 'string' ? me['csrf'] : ''
      return me
    } catch (error) {
      if (error instanceof Refusal && error.status === 401) return null
      throw error
    }
  }

  get(path: string): Promise<Json> {
    return this.#ask(path, { method: 'GET' })
  }

  post(path: string, body?: Json): Promise<Json> {
    const headers = {
      'x-csrf-token': this.#csrf,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    }
    return this.#ask(path, { method: 'POST', headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  }

  async #ask(path: string, init: RequestInit): Promise<Json> {
    const response = await fetch(path, { ...init, credentials: 'same-origin', redirect: 'error' }).catch(() => {
      throw new Refusal(0, 'ERR_UNREACHABLE', 'the gateway can’t be reached just now; this page tries again')
    })
    const text = await response.text()
    const body = text === '' ? {} : objectOf(JSON.parse(text))
    if (response.ok) return body
    throw new Refusal(response.status, textOf(body['code']), textOf(body['detail']))
  }
}

export function objectOf(value: unknown): Json {
  return isObject(value) ? value : {}
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

export function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  return value === null || value === undefined ? '' : JSON.stringify(value)
}

export function textsOf(value: unknown): readonly string[] {
  return listOf(value).map(textOf)
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
