import type { Node } from 'libpg-query'
import { NormalizeError } from '../../../engine/index.ts'
import type { SqlParser } from '../normalizer/index.ts'

/** A text of the server's log, in the words that a decision record has. */
export interface Texts {
  /** Each of its statements without literals and comments; none for an empty text. */
  readonly statements: readonly string[]
  /** Nothing but SELECTs: may have been on its way before its intent was on disk. */
  readonly reads: boolean
  /** One EXPLAIN without ANALYZE. */
  readonly plan: boolean
}

function isPlan(node: Node): boolean {
  const options = 'ExplainStmt' in node ? node.ExplainStmt.options : undefined
  return options !== undefined && !options.some((each) => 'DefElem' in each && each.DefElem.defname === 'analyze')
}

/** Names the statements of logged texts as the gateway named them when it decided, by the same parser. */
export class StatementTexts {
  readonly #parser: SqlParser

  constructor(parser: SqlParser) {
    this.#parser = parser
  }

  /** EXPLAIN of one statement, which doesn't run it. */
  async isPlan(text: string): Promise<boolean> {
    const named = await this.name(text)
    return named !== null && named.plan
  }

  /** null for a text that the grammar doesn't take. */
  async name(text: string): Promise<Texts | null> {
    try {
      const parsed = await this.#parser.parse(text)
      return {
        statements: parsed.map(({ normalizedText }) => normalizedText),
        plan: parsed.length === 1 && parsed.every(({ node }) => isPlan(node)),
        reads: parsed.every(({ node }) => 'SelectStmt' in node),
      }
    } catch (error) {
      if (error instanceof NormalizeError) return null
      throw error
    }
  }
}
