import type { Analysis } from './analysis.ts'
import { opaque, unresolved } from './refusal.ts'

/**
 * Accepts an operator only where whatever its name can resolve to is implemented by the server or in C. One written in
 * SQL or a procedural language runs code that the analysis can't see.
 */
export function operator(analysis: Analysis, name: readonly string[], location: number | undefined): void {
  const [operatorName = '', schema] = name.toReversed()
  const schemas = schema === undefined ? analysis.path : [schema]
  const found = schemas.flatMap((each) => analysis.catalog.operator(each, operatorName) ?? [])
  if (found.length === 0) throw unresolved(`operator ${operatorName} does not exist`, location, 'undefinedFunction')
  if (!found.every(({ native }) => native)) {
    throw opaque(
      `operator ${operatorName} may run a user's function: name the built-in one, as OPERATOR(pg_catalog.${operatorName})`,
      location,
    )
  }
}
