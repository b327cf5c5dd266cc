# Access for a time: who may ask for what.
package countersign.grants

import data.countersign.lib

# METADATA
# title: Access for a time is given by a person
# custom:
#   id: grant-on-approval
#   controls: [IS.II.C.7(c), IS.II.C.15(b), IS.II.C.7(b)]
hold contains lib.tagged(rego.metadata.rule(), {
	"message": message,
	"approvers": data.grants.approvers,
	"quorum": data.grants.quorum,
	"expires_in": data.grants.expires_in,
	"reason_required": true,
}) if {
	input.action.name == "grants.request"
	may_ask
	offered
	input.grants.seconds <= data.grants.longest
	message := sprintf("access for %d minutes waits for %d yes from %s", [input.grants.seconds / 60, data.grants.quorum, concat(" or ", data.grants.approvers)])
}

# METADATA
# title: In an emergency a person takes access for an agent of theirs, and others look at it afterwards
# custom:
#   id: break-glass
#   controls: [IS.II.C.7(c), IS.II.C.15(b), IS.II.C.7(b)]
hold contains lib.tagged(rego.metadata.rule(), {
	"approvers": data.grants.break_glass.reviewers,
	"quorum": 1,
	"expires_in": data.grants.break_glass.review_within,
	"reason_required": true,
}) if {
	input.action.name == "grants.break_glass"
	owner_asks
	offered
	input.grants.seconds <= data.grants.break_glass.longest
}

# METADATA
# title: Access is for registered agents, asked for by themselves or by their owner
# custom:
#   id: grant-for-agents
#   controls: [IS.II.C.7(b), AIO.VI.A.3]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	not may_ask
	message := "access is asked for by a registered agent, or by its owner for it"
}

# METADATA
# title: Nobody is granted more than the pack offers, or for longer
# custom:
#   id: grant-not-offered
#   controls: [IS.II.C.15(b), IS.II.C.7(b)]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	not offered
	message := sprintf("what may be asked for is named one by one: %s", [json.marshal(data.grants.resources)])
}

# METADATA
# title: Access ends within hours
# custom:
#   id: grant-too-long
#   controls: [IS.II.C.15(b)]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	input.grants.seconds > longest
	message := sprintf("access may be asked for %d minutes at most", [longest / 60])
}

longest := data.grants.break_glass.longest if {
	input.action.name == "grants.break_glass"
} else := data.grants.longest

offered if {
	names := data.grants.resources[input.grants.plane]
	every name in input.grants.resources {
		name in names
	}
	every action in input.grants.actions {
		action in data.grants.actions[input.grants.plane]
	}
}

may_ask if agent_asks

may_ask if owner_asks

agent_asks if {
	input.principal.kind == "agent"
	input.principal.id == input.grants.subject.id
	input.principal.act == []
	entry := data.agents[input.principal.id]
	entry.owner == input.principal.owner
}

owner_asks if {
	input.principal.kind == "person"
	input.principal.act == []
	data.agents[input.grants.subject.id].owner == input.principal.id
}
