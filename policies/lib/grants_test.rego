package countersign.lib.grants_test

import data.countersign.lib.grants

grant := {
	"id": "g1",
	"rule": "r",
	"plane": "postgres",
	"actions": ["postgres.update", "read"],
	"resources": ["public.accounts", "public.ledger_*"],
	"expires": "2026-01-02T04:00:00.000Z",
	"break_glass": false,
	"approved_by": ["ann"],
}

request(action, class, names) := {
	"action": {"name": action, "class": class},
	"resources": [{"type": "table", "name": name, "labels": [], "parts": []} | some name in names],
	"context": {"plane": "postgres", "grants": [grant]},
}

covered(asked) if {
	count(grants.covering) == 1 with input as asked
}

test_an_action_by_name_or_by_class if {
	covered(request("postgres.update", "write", ["public.accounts"]))
	covered(request("postgres.select", "read", ["public.accounts"]))
	not covered(request("postgres.delete", "destroy", ["public.accounts"]))
	not covered(request("postgres.updat", "write", ["public.accounts"]))
}

test_every_resource_and_at_least_one if {
	covered(request("postgres.update", "write", ["public.accounts", "public.ledger_2026"]))
	not covered(request("postgres.update", "write", ["public.accounts", "public.customers"]))
	not covered(request("postgres.update", "write", ["public.accounts_old"]))
	not covered(request("postgres.update", "write", ["private.ledger_2026"]))
	not covered(request("postgres.update", "write", []))
}

test_only_on_its_plane if {
	other := object.union(request("postgres.update", "write", ["public.accounts"]), {"context": {"plane": "sqs", "grants": [grant]}})
	not covered(other)
}

test_nothing_without_grants if {
	bare := object.remove(request("postgres.update", "write", ["public.accounts"]), ["context"])
	count(grants.covering) == 0 with input as object.union(bare, {"context": {"plane": "postgres"}})
}
