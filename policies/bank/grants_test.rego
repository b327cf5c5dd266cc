package countersign.bank_test

import data.countersign.grants as access
import data.countersign.postgres
import data.countersign.requests_test as r

owner := object.union(r.agent, {"id": "olivia", "kind": "person", "groups": ["agent-owners"], "owner": null})

asking(principal, action, more) := {
	"principal": principal,
	"action": {"name": action, "class": "control"},
	"resources": [],
	"context": {"plane": "grants", "session": "s1", "time": "2026-01-02T03:04:05.000Z", "source": null, "transaction": "none", "approvals": []},
	"grants": object.union(
		{
			"subject": {"id": "reconciler", "issuer": "https://idp.example", "act": []},
			"plane": "postgres",
			"actions": ["postgres.update"],
			"resources": ["public.accounts"],
			"seconds": 3600,
			"reason": "month end",
		},
		more,
	),
}

asked(principal, more) := answer if {
	answer := access.verdict with input as asking(principal, "grants.request", more)
}

broken(principal, more) := answer if {
	answer := access.verdict with input as asking(principal, "grants.break_glass", more)
}

test_an_agent_or_its_owner_asks_and_people_give if {
	every principal in [r.agent, owner] {
		answer := asked(principal, {})
		answer.verdict == "hold"
		r.rules(answer) == {"grant-on-approval"}
		answer.hold == {"approvers": ["payments"], "quorum": 1, "expires_in": 3600, "reason_required": true}
	}
}

test_nobody_else_asks if {
	every principal in [
		object.union(owner, {"id": "mallory"}),
		object.union(owner, {"kind": "workload"}),
		object.union(owner, {"act": ["bot"]}),
		object.union(r.agent, {"id": "stranger"}),
		object.union(r.agent, {"owner": "mallory"}),
		object.union(r.agent, {"act": ["bot"]}),
	] {
		answer := asked(principal, {})
		answer.verdict == "reject"
		r.rules(answer) == {"grant-for-agents"}
	}
}

test_only_what_is_offered if {
	every more in [
		{"resources": ["public.customers"]},
		{"resources": ["public.accounts", "public.*"]},
		{"actions": ["write"]},
		{"actions": ["postgres.update", "postgres.delete"]},
		{"plane": "sqs"},
	] {
		answer := asked(r.agent, more)
		answer.verdict == "reject"
		r.rules(answer) == {"grant-not-offered"}
	}
}

test_not_for_longer if {
	r.rules(asked(r.agent, {"seconds": 14401})) == {"grant-too-long"}
	r.rules(broken(owner, {"seconds": 3601})) == {"grant-too-long"}
}

test_the_owner_breaks_the_glass_and_the_agent_does_not if {
	answer := broken(owner, {})
	answer.verdict == "hold"
	r.rules(answer) == {"break-glass"}
	answer.hold == {"approvers": ["payments"], "quorum": 1, "expires_in": 86400, "reason_required": true}
	broken(r.agent, {}).verdict == "reject"
}

held := {
	"id": "g1",
	"rule": "grant-on-approval",
	"plane": "postgres",
	"actions": ["postgres.update"],
	"resources": ["public.accounts"],
	"expires": "2026-01-02T04:04:05.000Z",
	"break_glass": false,
	"approved_by": ["ann"],
}

update(relation, holding) := object.union(base, {"context": object.union(base.context, {"grants": holding})}) if {
	base := r.request("update", "write", [r.table(relation, [r.set_to("balance", ["1"])])], {})
}

test_a_grant_lets_an_update_through_and_nothing_beside_it if {
	answer := postgres.verdict with input as update("public.accounts", [held])
	answer.verdict == "forward"
	r.rules(answer) == {"granted-update"}
	every request in [update("public.accounts", []), update("public.transfers", [held]), update("public.accounts", [object.union(held, {"plane": "sqs"})])] {
		refused := postgres.verdict with input as request
		refused.verdict == "reject"
		r.rules(refused) == {"reject-writes"}
	}
}

test_a_grant_does_not_take_away_other_rules if {
	deleting := object.union(update("public.accounts", [held]), {"action": {"name": "postgres.delete", "class": "destroy"}})
	answer := postgres.verdict with input as deleting
	answer.verdict == "reject"
	"reject-destructive" in r.rules(answer)
}

test_what_a_grant_covers_can_be_prepared if {
	preparing := object.union(update("public.accounts", [held]), {"action": {"name": "postgres.prepare", "class": "discover"}, "postgres": {"kind": "prepare"}})
	answer := postgres.verdict with input as preparing
	answer.verdict == "forward"
}
