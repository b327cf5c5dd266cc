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

test_an_agent_uses_the_planes_that_the_register_gives_it if {
	entry := {"owner": "olivia", "purpose": "p", "planes": ["sqs"]}
	answer := postgres.verdict with input as r.select([]) with data.agents as {"reconciler": entry}
	r.rules(answer) == {"unregistered-agent"}
}

assistant(resources) := object.union(r.select(resources), {"principal": object.union(r.agent, {"id": "branch-assistant", "owner": "bruno"})})

open_hour := time.parse_rfc3339_ns("2026-01-14T15:00:00Z")

test_an_agent_with_hours_works_in_them if {
	request := assistant([r.table("public.transfers", [])])
	inside := postgres.verdict with input as request with time.now_ns as open_hour
	r.rules(inside) == {"read-public"}
	outside := postgres.verdict with input as request with time.now_ns as time.parse_rfc3339_ns("2026-01-17T15:00:00Z")
	outside.verdict == "reject"
	r.rules(outside) == {"outside-hours"}
	contains(outside.reasons[0].message, "08:00 to 18:00 (America/New_York)")
}

test_hours_that_are_not_whole_are_none if {
	entry := {"owner": "bruno", "purpose": "p", "planes": ["postgres"], "hours": {"from": "00:00", "to": "24:00"}}
	answer := postgres.verdict with input as assistant([]) with data.agents as {"branch-assistant": entry}
	r.rules(answer) == {"outside-hours"}
}

test_an_agent_without_hours_is_not_asked_the_time if {
	answer := postgres.verdict with input as r.select([]) with time.now_ns as "no time"
	answer.verdict == "forward"
}

test_an_agent_with_relations_of_its_own_reads_these_and_the_catalogue if {
	elsewhere := postgres.verdict with input as assistant([r.table("public.accounts", [])]) with time.now_ns as open_hour
	r.rules(elsewhere) == {"unlisted-relation"}
	catalogue := postgres.verdict with input as assistant([r.table("pg_catalog.pg_class", [])]) with time.now_ns as open_hour
	r.rules(catalogue) == {"read-public"}
}
