# Everything is forwarded: for suites that test an SDK or measure the gateway. Never put a bank behind it.
package countersign.sqs

import data.countersign.lib

# METADATA
# title: Every call of SQS is forwarded, for tests of SDKs only
# custom:
#   id: allow-all-sqs
#   controls: [IS.II.C.18]
forward contains lib.tagged(rego.metadata.rule(), {})
