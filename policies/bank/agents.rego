# Who may work through the gateway.
package countersign.postgres

import data.countersign.lib
import data.countersign.lib.register

known_agent if register.known

# METADATA
# title: Agents are registered with an owner and a purpose
# custom:
#   id: unregistered-agent
#   controls: [IS.II.C.7(b), AIO.VI.A.3, AUTH.Scope]
reject contains lib.tagged(rego.metadata.rule(), {"message": register.unknown_message}) if {
	input.principal.kind == "agent"
	not known_agent
}

# METADATA
# title: Agents that have hours work in them
# custom:
#   id: outside-hours
#   controls: [IS.II.C.15, IS.II.C.7(b), AUTH.Scope]
reject contains lib.tagged(rego.metadata.rule(), {"message": register.off_hours_message}) if register.off_hours
