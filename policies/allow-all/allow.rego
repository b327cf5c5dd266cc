# Everything is forwarded: for suites that test a driver or measure the gateway. Never put a bank behind it.
package countersign.postgres

import data.countersign.lib

# METADATA
# title: Everything is forwarded, for tests of drivers only
# custom:
#   id: allow-all
#   controls: [IS.II.C.18]
forward contains lib.tagged(rego.metadata.rule(), {})

# Of a driver's own tests, much is code that can't be seen into.
permitted_opaque contains what if some what in input.postgres.opaque
