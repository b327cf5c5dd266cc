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

test_an_agent_whose_token_names_another_owner_is_refused if {
	every owner in [null, "", "Olivia", "mallory"] {
		refused_as_unregistered(as_principal({"owner": owner}))
	}
}

test_an_entry_without_owner_or_purpose_does_not_count if {
	every entry in [{}, {"owner": "", "purpose": "p"}, {"owner": "olivia", "purpose": ""}, {"owner": "olivia"}] {
		answer := postgres.verdict with input as r.select([]) with data.agents as {"reconciler": entry}
		r.rules(answer) == {"unregistered-agent"}
	}
}

test_an_entry_without_an_owner_does_not_match_a_token_without_one if {
	request := as_principal({"owner": ""})
	answer := postgres.verdict with input as request with data.agents as {"reconciler": {"owner": "", "purpose": "p"}}
	r.rules(answer) == {"unregistered-agent"}
}

test_people_and_workloads_have_no_rule if {
	every kind in ["person", "workload"] {
		answer := postgres.verdict with input as as_principal({"kind": kind})
		answer.verdict == "reject"
		r.rules(answer) == {"no_rule"}
	}
}
