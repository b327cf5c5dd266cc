# What agents may change.
package countersign.postgres

import data.countersign.lib
import data.countersign.lib.amounts
import data.countersign.lib.grants

# METADATA
# title: A transfer by an agent waits for a person
# custom:
#   id: hold-transfer
#   controls: [IS.II.C.7(c), GLBA.III.C.1.e, IS.II.C.15]
hold contains lib.tagged(rego.metadata.rule(), {
	"message": message,
	"approvers": data.transfers.approvers,
	"quorum": quorum,
	"expires_in": data.transfers.expires_in,
	"reason_required": true,
}) if {
	plain_transfer
	total >= data.transfers.hold_from
	quorum := transfer_quorum
	message := sprintf("a transfer waits for %d yes from %s, with a reason; keep the connection open, or repeat the statement once it is approved", [quorum, concat(" or ", data.transfers.approvers)])
}

# METADATA
# title: Transfers below the amount that a person looks at are let through
# custom:
#   id: small-transfer
#   controls: [IS.II.C.7(b), IS.II.C.15, IS.II.C.18]
forward contains lib.tagged(rego.metadata.rule(), {}) if {
	plain_transfer
	total < data.transfers.hold_from
}

# METADATA
# title: Nobody can approve a transfer whose amount can't be seen
# custom:
#   id: transfer-not-knowable
#   controls: [IS.II.C.7(c), IS.II.C.15]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	transfer
	not values_known
	message := "an approver must see every value before it is written; send each as a literal or a bind parameter, and the amount as a plain decimal with at most two places"
}

# METADATA
# title: Agents destroy nothing
# custom:
#   id: reject-destructive
#   controls: [IS.II.C.15(b), IS.II.C.18, IS.II.C.10]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	input.action.class == "destroy"
	message := "agents may not delete rows or drop, truncate or replace anything; leave the rows as they are and ask the agent's owner to have it done by change management"
}

# METADATA
# title: Agents change nothing but by a transfer
# custom:
#   id: reject-writes
#   controls: [IS.II.C.15(b), IS.II.C.18, IS.II.C.7(b)]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	writes
	not transfer
	not prepared_transfer
	not granted_update
	not prepared_granted
	message := sprintf("agents may read, and may insert into %s, which a person approves; access for a time to update %s can be asked for with countersign request, any other change of the agent's owner", [data.transfers.relation, lib.some_of({name | some name in data.grants.resources.postgres})])
}

# METADATA
# title: A person gave the agent access for a time
# custom:
#   id: granted-update
#   controls: [IS.II.C.7(c), IS.II.C.15(b), IS.II.C.7(b)]
forward contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	granted_update
	all_readable
	builtin_functions_only
	message := sprintf("allowed by %s, which people can look up and revoke", [lib.some_of({grant.id | some grant in grants.covering})])
}

granted_update if {
	input.action.name == "postgres.update"
	count(grants.covering) > 0
}

# What it will do is judged when it is run.
prepared_granted if {
	preparing
	some grant in input.context.grants
	grant.plane == "postgres"
	every name in changed {
		grants.names_resource(grant, name)
	}
}

writes if input.action.class == "write"

writes if count(changed) > 0

# A transfer is an INSERT that changes nothing but the one relation.
transfer if {
	input.action.class == "write"
	input.postgres.kind == "insert"
	changes_transfers_only
}

# Its values aren't known yet; they are when it is run.
prepared_transfer if {
	preparing
	changes_transfers_only
}

changes_transfers_only if {
	count(changed) == 1
	data.transfers.relation in changed
}

changed := {resource.name | some resource in input.resources; written(resource)}

transfer_parts := {part |
	some resource in input.resources
	resource.name == data.transfers.relation
	some part in resource.parts
	"written" in part.uses
}

plain_transfer if {
	known_agent
	transfer
	values_known
	all_readable
	builtin_functions_only
}

# Every value is known, and each row's amount reads as what the server will store: no rounding, no NaN, no exponent.
values_known if {
	every part in transfer_parts {
		is_array(part.values)
	}
	total
}

total := amounts.total(sums) if every amount in sums { is_string(amount) }

sums := [amount |
	some part in transfer_parts
	part.name == data.transfers.amount_column
	some amount in part.values
]

transfer_quorum := data.transfers.large_quorum if {
	total >= data.transfers.large_amount
} else := data.transfers.quorum
