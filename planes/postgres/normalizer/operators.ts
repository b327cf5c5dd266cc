import type { Analysis } from './analysis.ts'
import { opaque, unresolved } from './refusal.ts'

/**
 * An operator runs the server's own code where whatever its name can resolve to is implemented by the server or in C. One
 * written in SQL or a procedural language runs code that the analysis can't see.
 */
export function operator(analysis: Analysis, name: readonly string[], location: number | undefined): void {
  const [operatorName = '', schema] = name.toReversed()
  const schemas = schema === undefined ? analysis.path : [schema]
  const found = schemas.flatMap((each) => {
    const known = analysis.catalog.operator(each, operatorName)
    return known === undefined ? [] : [{ schema: each, ...known }]
  })
  if (found.length === 0) throw unresolved(`operator ${operatorName} does not exist`, location, 'undefinedFunction')
  for (const each of found.filter(({ native }) => !native)) {
    const message = `operator ${operatorName} may run a user's function: name the built-in one, as OPERATOR(pg_catalog.${operatorName})`
    analysis.findings.runs(opaque(`operator ${each.schema}.${operatorName}`, message, location))
  }
}
