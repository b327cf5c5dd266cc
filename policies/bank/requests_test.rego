# Requests as the plane makes them, for this pack's tests.
package countersign.requests_test

agent := {
	"id": "reconciler",
	"kind": "agent",
	"groups": ["agents"],
	"roles": [],
	"issuer": "https://idp.example",
	"act": [],
	"owner": "olivia",
	"token_id": null,
	"token_digest": "00",
	"expires_at": 1800000000,
}

request(kind, class, resources, more) := {
	"principal": agent,
	"action": {"name": concat(".", ["postgres", kind]), "class": class},
	"resources": resources,
	"context": {
		"plane": "postgres",
		"session": "s1",
		"time": "2026-01-02T03:04:05.000Z",
		"source": null,
		"transaction": "none",
		"approvals": [],
	},
	"postgres": object.union(
		{
			"kind": kind,
			"statement": "…",
			"database": "bank",
			"user": "reconciler",
			"functions": [],
			"opaque": [],
			"parameters": [],
			"setting": null,
		},
		more,
	),
}

select(resources) := request("select", "read", resources, {})

table(name, parts) := {"type": "table", "name": name, "labels": [], "parts": parts}

# A column with the labels that the bundle's own data gives it, as the plane would.
column(relation, name, uses) := {"name": name, "labels": labels, "uses": uses} if {
	labels := object.get(data.labels.postgres, [relation, name], [])
}

set_to(name, values) := {"name": name, "labels": [], "uses": ["written"], "values": values}

transfer(values) := request(
	"insert", "write", [table("public.transfers", [
		set_to("from_account", ["10"]),
		set_to("to_account", ["20"]),
		set_to("amount", values),
	])],
	{},
)

rules(answer) := {reason.rule | some reason in answer.reasons}
