# Who may work through the gateway.
package countersign.postgres

import data.countersign.lib

# An agent is known when its identity provider says it is one, and the register has its purpose and the very owner that
# the token names: approvals keep the owner from answering for the agent by what the token says.
known_agent if {
	input.principal.kind == "agent"
	"agents" in input.principal.groups
	entry := data.agents[input.principal.id]
	entry.owner == input.principal.owner
	entry.owner != ""
	entry.purpose != ""
}

# METADATA
# title: Agents are registered with an owner and a purpose
# custom:
#   id: unregistered-agent
#   controls: [IS.II.C.7(b), AIO.VI.A.3, AUTH.Scope]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	input.principal.kind == "agent"
	not known_agent
	message := "this agent is not registered with the owner that its token names, or is not in the group agents; ask the policy's owners to add it to the register with its owner and purpose"
}
