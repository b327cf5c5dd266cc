# Who may work through the gateway.
package countersign.postgres

import data.countersign.lib

# An agent is known when its identity provider says it is one and the register has its owner and purpose.
known_agent if {
	input.principal.kind == "agent"
	"agents" in input.principal.groups
	entry := data.agents[input.principal.id]
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
	message := "this agent is not registered, or is not in the group agents; ask the policy's owners to add it to the register with its owner and purpose"
}
