import { describe } from 'vitest'
import { httpSuite } from '../../conformance/http/suite.ts'
import { findEnvoy } from '../../support/envoy.ts'
import { startEnvoyForm } from '../../support/http-form.ts'

describe.skipIf(findEnvoy() === null)('the Envoy form', () => {
  httpSuite(startEnvoyForm)
})
