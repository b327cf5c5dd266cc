import { NormalizeError } from '../../../engine/index.ts'
import type { SqlParser } from '../normalizer/index.ts'

/** A text of the server's log, in the words that a decision record has. */
export interface Texts {
  /** Each of its statements without literals and comments; none for an empty text. */
  readonly statements: readonly string[]
  /** Nothing but SELECTs: may have been on its way before its intent was on disk. */
  readonly reads: boolean
}

/** Names the statements of logged texts as the gateway named them when it decided, by the same parser. */
export class StatementTexts {
  readonly #parser: SqlParser

  constructor(parser: SqlParser) {
    this.#parser = parser
  }

  /** null for a text that the grammar doesn't take. */
  async name(text: string): Promise<Texts | null> {
    try {
      const parsed = await this.#parser.parse(text)
      return {
        statements: parsed.map(({ normalizedText }) => normalizedText),
        reads: parsed.every(({ node }) => 'SelectStmt' in node),
      }
    } catch (error) {
      if (error instanceof NormalizeError) return null
      throw error
    }
  }
}
