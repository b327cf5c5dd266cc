import { httpSuite } from '../../conformance/http/suite.ts'
import { startEmbeddedForm } from '../../support/http-form.ts'

httpSuite(startEmbeddedForm)
