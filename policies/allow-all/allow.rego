# Everything is forwarded: for suites that test a driver or measure the gateway. Never put a bank behind it.
package countersign.postgres

import data.countersign.lib

# METADATA
# title: Everything is forwarded, for tests of drivers only
# custom:
#   id: allow-all
#   controls: [IS.II.C.18]
forward contains lib.tagged(rego.metadata.rule(), {})
