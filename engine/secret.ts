/**
 * Text that a configuration names but doesn't contain. It shows where it came from, and its content only to who asks:
 * printed, logged or serialized by accident it gives nothing away (a private field is invisible to node:util's inspect).
 */
export class Secret {
  /** `environment variable NAME` or `file PATH`. */
  readonly source: string
  readonly #text: string
  readonly #again: () => string

  constructor(text: string, source: string, again: () => string = () => text) {
    this.#text = text
    this.source = source
    this.#again = again
  }

  reveal(): string {
    return this.#text
  }

  /** As its file holds it now, for what is rotated while the gateway runs. Throws as node:fs does. */
  revealAgain(): string {
    return this.#again()
  }

  toString(): string {
    return `[secret from ${this.source}]`
  }

  toJSON(): string {
    return this.toString()
  }
}
