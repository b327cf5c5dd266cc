/**
 * Text that a configuration names but doesn't contain. It shows where it came from, and its content only to who asks:
 * printed, logged or serialized by accident it gives nothing away (a private field is invisible to node:util's inspect).
 */
export class Secret {
  /** `environment variable NAME` or `file PATH`. */
  readonly source: string
  readonly #text: string

  constructor(text: string, source: string) {
    this.#text = text
    this.source = source
  }

  reveal(): string {
    return this.#text
  }

  toString(): string {
    return `[secret from ${this.source}]`
  }

  toJSON(): string {
    return this.toString()
  }
}
