# How much agents may be handed at once.
package countersign.postgres

import data.countersign.lib

# METADATA
# title: Bulk answers to agents are cut off
# custom:
#   id: answer-limit
#   controls: [AIO.III.A.2(a), IS.II.C.13, IS.II.C.18]
limit contains lib.tagged(rego.metadata.rule(), {"max_rows": most}) if {
	known_agent
	most := data.answers.max_rows[input.postgres.kind]
}

# METADATA
# title: Statements of agents that take too long are given up
# custom:
#   id: answer-time
#   controls: [AIO.III.A.2(a), IS.II.C.18]
limit contains lib.tagged(rego.metadata.rule(), {"timeout_ms": most}) if {
	known_agent
	most := data.answers.timeout_ms[input.postgres.kind]
}

# METADATA
# title: Agents ask for less than the server expects to find
# custom:
#   id: answer-too-large
#   controls: [AIO.III.A.2(a), IS.II.C.13, IS.II.C.18]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	expected := input.postgres.estimate.rows
	expected > data.answers.refuse_above
	message := sprintf("the server expects about %d rows, and agents may ask for %d at most; narrow it down by a column that is not protected", [expected, data.answers.refuse_above])
}

# METADATA
# title: What an agent asks for is expected to be small
# description: Only where the plane asks the server. A statement that has no plan, or that the server refuses, isn't meant.
# custom:
#   id: answer-size-unknown
#   controls: [AIO.III.A.2(a), IS.II.C.13, IS.II.C.18]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	input.postgres.estimate == "unknown"
	message := "the server didn't tell in time how much it expects to find; send the statement again in a moment, or narrow it down by a column that is not protected"
}
