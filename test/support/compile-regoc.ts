import { GoMissingError, regocBinary } from '../../tools/regoc.ts'

/** Compiles the Rego compiler before the first test: the first time takes minutes, which are no test's own. */
export default async function compileRegoc(): Promise<void> {
  await regocBinary().catch((error: unknown) => {
    if (!(error instanceof GoMissingError)) throw error // without Go, the tests that need it say so
  })
}
