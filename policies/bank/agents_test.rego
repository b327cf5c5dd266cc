package countersign.bank_test

import data.countersign.postgres
import data.countersign.requests_test as r

as_principal(more) := object.union(r.select([]), {"principal": object.union(r.agent, more)})

refused_as_unregistered(request) if {
	answer := postgres.verdict with input as request
	answer.verdict == "reject"
	r.rules(answer) == {"unregistered-agent"}
}

test_an_agent_outside_the_register_is_refused if {
	refused_as_unregistered(as_principal({"id": "stranger"}))
}

test_an_agent_outside_the_group_is_refused if {
	refused_as_unregistered(as_principal({"groups": []}))
}

test_an_entry_without_owner_or_purpose_does_not_count if {
	every entry in [{}, {"owner": "", "purpose": "p"}, {"owner": "o", "purpose": ""}, {"owner": "o"}] {
		answer := postgres.verdict with input as r.select([]) with data.agents as {"reconciler": entry}
		r.rules(answer) == {"unregistered-agent"}
	}
}

test_people_and_workloads_have_no_rule if {
	every kind in ["person", "workload"] {
		answer := postgres.verdict with input as as_principal({"kind": kind})
		answer.verdict == "reject"
		r.rules(answer) == {"no_rule"}
	}
}
