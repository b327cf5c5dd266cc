/** Parts of a decoded message, which is `unknown` until it is read. All throw TypeError. */
export function record(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(what, 'a message')
  return Object(value)
}

export function text(value: unknown, what: string): string {
  if (typeof value !== 'string') throw wrong(what, 'text')
  return value
}

export function texts(value: unknown, what: string): readonly string[] {
  if (!Array.isArray(value)) throw wrong(what, 'a list of names')
  return value.map((each) => text(each, what))
}

function wrong(what: string, expected: string): TypeError {
  return new TypeError(`${what}: expected ${expected}`)
}
