# What agents may do with queues.
package countersign.sqs

import data.countersign.lib
import data.countersign.lib.amounts
import data.countersign.lib.register

known_agent if register.known

# METADATA
# title: Agents at queues are registered with an owner and a purpose
# custom:
#   id: unregistered-queue-agent
#   controls: [IS.II.C.7(b), AIO.VI.A.3, AUTH.Scope]
reject contains lib.tagged(rego.metadata.rule(), {"message": register.unknown_message}) if {
	input.principal.kind == "agent"
	not known_agent
}

# METADATA
# title: Agents that have hours use queues in them
# custom:
#   id: outside-queue-hours
#   controls: [IS.II.C.15, IS.II.C.7(b), AUTH.Scope]
reject contains lib.tagged(rego.metadata.rule(), {"message": register.off_hours_message}) if register.off_hours

# METADATA
# title: Agents receive from queues that are listed for it
# custom:
#   id: receive-listed
#   controls: [IS.II.C.18, IS.II.C.7(b), AIO.III.A.2(a)]
forward contains lib.tagged(rego.metadata.rule(), {}) if {
	known_agent
	input.sqs.kind in {"receive", "consume"}
	all_listed
	listed.receive == true
}

# METADATA
# title: Agents send to queues that are listed for it
# custom:
#   id: send-listed
#   controls: [IS.II.C.18, IS.II.C.7(b)]
forward contains lib.tagged(rego.metadata.rule(), {}) if {
	known_agent
	sending
	not listed.approvers
	not waits_by_amount
}

# METADATA
# title: A message to a queue with approvers waits for a person
# custom:
#   id: hold-message
#   controls: [IS.II.C.7(c), GLBA.III.C.1.e, IS.II.C.15]
hold contains lib.tagged(rego.metadata.rule(), {
	"message": message,
	"approvers": listed.approvers,
	"quorum": listed.quorum,
	"expires_in": listed.expires_in,
	"reason_required": true,
}) if {
	known_agent
	sending
	readable
	message := sprintf("a message to %s waits for a yes from %s, with a reason; send the same message again once it is approved", [input.sqs.queue.name, concat(" or ", listed.approvers)])
}

# METADATA
# title: A message that moves much money waits for a person
# custom:
#   id: hold-payment-message
#   controls: [IS.II.C.7(c), GLBA.III.C.1.e, IS.II.C.15]
hold contains lib.tagged(rego.metadata.rule(), {
	"message": message,
	"approvers": threshold.approvers,
	"quorum": threshold.quorum,
	"expires_in": threshold.expires_in,
	"reason_required": true,
}) if {
	known_agent
	sending
	amount >= threshold.hold_from
	message := sprintf("a payment of this size waits for %d yes from %s, with a reason; send the same message again once it is approved", [threshold.quorum, concat(" or ", threshold.approvers)])
}

# METADATA
# title: A message that moves money tells its amount
# custom:
#   id: payment-not-knowable
#   controls: [IS.II.C.7(c), IS.II.C.15]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	sending
	threshold
	not amount
	message := sprintf("what this queue moves must be seen: send a JSON object with the amount at %s, a plain decimal with at most two places", [concat(".", threshold.amount)])
}

# METADATA
# title: Nobody can approve a message that can't be read in one way
# custom:
#   id: message-not-knowable
#   controls: [IS.II.C.7(c), IS.II.C.15]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	sending
	listed.approvers
	not readable
	message := "an approver must see what is sent; send at most 64 KiB, as text or as JSON in which no key comes twice"
}

# METADATA
# title: Agents find the queues that are listed for them
# custom:
#   id: discover-listed
#   controls: [IS.II.C.18, AIO.III.A.2(a)]
forward contains lib.tagged(rego.metadata.rule(), {}) if {
	known_agent
	input.sqs.kind == "discover"
	all_listed
}

# METADATA
# title: Agents use only queues that are listed for them
# custom:
#   id: unlisted-queue
#   controls: [IS.II.C.18, IS.II.C.7(b), AIO.III.A.2(a)]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	count(unlisted) > 0
	message := sprintf("agents may not use %s; ask the policy's owners to list it", [lib.some_of(unlisted)])
}

# METADATA
# title: Agents destroy no queue and move no messages
# custom:
#   id: reject-queue-destruction
#   controls: [IS.II.C.15(b), IS.II.C.18, IS.II.C.10]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	input.action.class == "destroy"
	message := "agents may not purge or delete queues, or move messages between them; ask the agent's owner to have it done by change management"
}

# METADATA
# title: Agents leave queues and who may use them as they are
# custom:
#   id: reject-queue-control
#   controls: [IS.II.C.15, IS.II.C.15(b)]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	input.action.class == "control"
	message := "agents may not create queues or change their settings, tags or permissions; ask the agent's owner to have it done by change management"
}

# METADATA
# title: Messages of a classification that is kept from agents are withheld
# custom:
#   id: withhold-classified
#   controls: [AIO.V.C.2(c), IS.II.C.13, IS.II.C.18]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	received
	some classification in classifications
	classification in listed.withheld
	message := sprintf("messages classified %s are kept from agents; ask the agent's owner to handle it", [classification])
}

# METADATA
# title: A message whose classification can't be told is withheld where some are
# custom:
#   id: classification-not-knowable
#   controls: [AIO.V.C.2(c), IS.II.C.13]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	received
	listed.withheld
	not classification_readable
	message := "where some classifications are kept from agents, a message must tell its own; send at most 64 KiB, as text or as JSON in which no key comes twice"
}

# METADATA
# title: Protected parts of messages are masked for agents, and in what agents send
# custom:
#   id: mask-message-pii
#   controls: [AIO.V.C.2(c), IS.II.C.13, IS.II.C.18, DAM.IV.I.2]
mask contains lib.tagged(rego.metadata.rule(), {"field": concat(".", part), "method": method}) if {
	known_agent
	some use in {"output", "written"}
	some part in lib.labelled(input.resources, use)
	method := object.get(data.masks.sqs, part, "null")
}

sending if {
	input.sqs.kind == "send"
	all_listed
	listed.send == true
}

# One message that came back, judged by what is in it.
received if {
	input.sqs.kind == "receive"
	input.sqs.message != null
}

classifications contains lower(input.sqs.message.attributes.classification.value)

classifications contains lower(input.sqs.message.json.classification) if is_string(input.sqs.message.json.classification)

# A list of classifications, or a number, is none that could be told.
classification_readable if {
	readable
	is_string(object.get(input.sqs.message, ["json", "classification"], ""))
}

# Its own queue; what a listing is of has none.
listed := data.queues[input.resources[0].name]

# What moves money, where it tells the amount, and from which amount on a person looks at it.
threshold := listed.moves_money

amount := amounts.plain(amounts.at(input.sqs.message.json, threshold.amount))

# Anything but an amount below the threshold.
waits_by_amount if {
	threshold
	not small
}

small if amount < threshold.hold_from

readable if input.sqs.message.form in {"json", "text"}

all_listed if count(unlisted) == 0

unlisted := {resource.name |
	some resource in input.resources
	resource.type != "account"
	not data.queues[resource.name]
}
