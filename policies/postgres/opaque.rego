# What a plane can't see into.
package countersign.postgres

import data.countersign.lib

# A pack that wants code run which can't be seen into says so by name, in this set: "function bank.report", "do", …
permitted_opaque contains "" if false

unwanted_opaque := {what | some what in input.postgres.opaque} - permitted_opaque if {
	is_array(input.postgres.opaque)
} else := {"a request that doesn't tell"}

# METADATA
# title: What can't be seen into isn't run
# description: |
#   Code may read, change or hand out anything, and a name that can't be resolved may mean anything. Masks don't reach
#   what comes back, so the gateway refuses a mask over a statement that a pack permits like this.
# custom:
#   id: opaque-statement
#   controls: [IS.II.C.15(b), IS.II.C.18]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	count(unwanted_opaque) > 0
	message := sprintf("this can't be seen into: %s; write it over tables and the server's own functions, or ask the policy's owners to permit it by name", [lib.some_of(unwanted_opaque)])
}
