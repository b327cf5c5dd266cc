# METADATA
# title: Agents and what the register says of them
# description: |
#   `data.agents` is the register: an agent's owner, purpose, the planes that it may use and, where it has them, the hours
#   in which it works. One place for all planes, so that no plane knows an agent that another one doesn't.
package countersign.lib.register

entry := data.agents[input.principal.id]

# known: its identity provider says it is an agent, and the register has its purpose, this plane, and the very owner that
# the token names: approvals keep the owner from answering for the agent by what the token says.
known if {
	input.principal.kind == "agent"
	"agents" in input.principal.groups
	entry.owner == input.principal.owner
	entry.owner != ""
	entry.purpose != ""
	input.context.plane in entry.planes
}

# off_hours: it has hours, and this is none of them. The time is asked for last: where nothing asks for it, the verdict on
# a request that comes again is known.
off_hours if {
	known
	entry.hours
	not within(entry.hours, time.now_ns())
}

# What is left out or misspelt in the hours leaves none.
within(hours, ns) if {
	time.weekday([ns, hours.zone]) in hours.days
	at := time.format([ns, hours.zone, "15:04"])
	hours.from <= at
	at < hours.to
}

off_hours_message := message if {
	hours := entry.hours
	message := sprintf("this agent works from %s to %s (%s) on %s; come back then, or ask its owner to have its hours changed in the register", [hours.from, hours.to, hours.zone, concat(", ", hours.days)])
} else := "the register doesn't say whole which hours this agent has (days, from, to, zone), so it has none; ask the policy's owners"

unknown_message := "this agent is not registered for this with the owner that its token names, or is not in the group agents; ask the policy's owners to add it to the register with its owner, its purpose and what it uses"
