# How protected values look to agents.
package countersign.postgres

import data.countersign.lib

# METADATA
# title: Identifiers of customers and accounts are masked for agents
# custom:
#   id: mask-customer-pii
#   controls: [AIO.V.C.2(c), IS.II.C.13, IS.II.C.18, DAM.IV.I.2]
mask contains lib.tagged(rego.metadata.rule(), {"field": concat(".", column), "method": method}) if {
	known_agent
	some column in lib.labelled(input.resources, "output")
	method := object.get(data.masks.postgres, column, "null")
}
