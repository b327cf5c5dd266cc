package countersign.bank_apis_test

import data.countersign.http
import data.countersign.requests_test as r

classes := {"GET": "read", "HEAD": "read", "OPTIONS": "read", "POST": "write", "PUT": "write", "PATCH": "write", "DELETE": "destroy"}

request(method, path, routes, more) := {
	"principal": r.agent,
	"action": {"name": concat(".", ["http", method]), "class": object.get(classes, method, "control")},
	"resources": [{"type": "endpoint", "name": concat("", ["bank", path]), "labels": [], "parts": []}],
	"context": {
		"plane": "http",
		"session": "s1",
		"time": "2026-01-02T03:04:05.000Z",
		"source": null,
		"transaction": "none",
		"approvals": [],
	},
	"http": object.union(
		{
			"statement": concat(" ", [method, concat("", ["bank", path])]),
			"api": "bank",
			"routes": routes,
			"method": method,
			"method_overrides": [],
			"path": path,
			"parsed_path": split(trim_prefix(path, "/"), "/"),
			"parsed_query": {},
			"headers": {},
			"body": {"form": "none"},
			"parsed_body": null,
			"graphql": null,
			"upgrade": null,
		},
		more,
	),
}

verdict(asked) := answer if {
	answer := http.verdict with input as asked
}

get(path, routes) := request("GET", path, routes, {})

sent(body) := {"body": {"form": "json"}, "parsed_body": body}

with_parts(asked, name, parts) := object.union(asked, {"resources": array.concat(asked.resources, [{"type": "route", "name": name, "labels": [], "parts": parts}])})

as_agent(asked, more) := object.union(asked, {"principal": object.union(r.agent, more)})

customer := get("/customers/7", ["bank/**", "bank/customers/{id}"])

test_listed_endpoints_are_read if {
	r.rules(verdict(customer)) == {"read-endpoint"}
	r.rules(verdict(request("HEAD", "/customers", ["bank/customers"], {}))) == {"read-endpoint"}
}

test_what_is_not_listed_is_refused_by_name if {
	answer := verdict(get("/payroll", ["bank/**"]))
	answer.verdict == "reject"
	r.rules(answer) == {"unlisted-endpoint"}
	contains(answer.reasons[0].message, "GET bank/payroll")
	r.rules(verdict(request("PUT", "/customers", ["bank/customers"], sent({})))) == {"unlisted-endpoint"}
}

test_a_method_must_be_listed_for_every_route_that_the_path_meets if {
	both := ["bank/transfers", "bank/customers/{id}"]
	r.rules(verdict(request("POST", "/transfers", both, sent({"amount": 1})))) == {"unlisted-endpoint"}
}

test_an_endpoint_may_be_for_some_agents_only if {
	r.rules(verdict(get("/accounts", ["bank/accounts"]))) == {"read-endpoint"}
	assistant := as_agent(get("/accounts", ["bank/accounts"]), {"id": "branch-assistant", "owner": "bruno"})
	answer := verdict(assistant) with time.now_ns as time.parse_rfc3339_ns("2026-01-14T15:00:00Z")
	r.rules(answer) == {"unlisted-endpoint"}
}

test_agents_with_hours_use_apis_in_them if {
	assistant := as_agent(customer, {"id": "branch-assistant", "owner": "bruno"})
	sunday := verdict(assistant) with time.now_ns as time.parse_rfc3339_ns("2026-01-18T15:00:00Z")
	r.rules(sunday) == {"outside-api-hours"}
}

test_strangers_get_nothing if {
	r.rules(verdict(as_agent(customer, {"id": "stranger"}))) == {"unregistered-api-agent"}
	r.rules(verdict(as_agent(customer, {"kind": "person"}))) == {"no_rule"}
}

test_bodies_that_are_seen_are_written if {
	every form in ["json", "form", "text", "ndjson", "none"] {
		answer := verdict(request("POST", "/notes", ["bank/notes"], {"body": {"form": form}}))
		r.rules(answer) == {"write-endpoint"}
	}
}

test_bodies_that_are_not_seen_are_refused if {
	every form in ["opaque", "large", "streamed", "multipart", "grpc"] {
		answer := verdict(request("POST", "/notes", ["bank/notes"], {"body": {"form": form}}))
		answer.verdict == "reject"
		r.rules(answer) == {"body-not-seen"}
	}
}

pay(body) := request("POST", "/transfers", ["bank/transfers"], sent(body))

test_small_payments_are_let_through if {
	every amount in [0, 9999, "9999.99"] {
		r.rules(verdict(pay({"amount": amount}))) == {"small-api-payment"}
	}
}

test_large_payments_wait if {
	every amount in [10000, "10000.00", "250000"] {
		answer := verdict(pay({"amount": amount}))
		answer.verdict == "hold"
		r.rules(answer) == {"hold-api-payment"}
		answer.hold == {"approvers": ["payments"], "quorum": 1, "expires_in": 900, "reason_required": true}
		not contains(answer.reasons[0].message, "250000")
	}
}

test_payments_without_a_plain_amount_are_refused if {
	every body in [{}, [], null, "5", {"amount": "1e9"}, {"amount": ["5"]}, {"amount": -1}, {"Amount": 1}, [{"amount": 1}]] {
		answer := verdict(pay(body))
		answer.verdict == "reject"
		r.rules(answer) == {"api-payment-not-knowable"}
	}
}

test_a_limit_without_an_amount_lets_nothing_through if {
	half := {"bank/transfers": {"methods": ["POST"], "moves_money": {"amount": ["amount"]}}}
	answer := verdict(pay({"amount": 1})) with data.apis as half
	r.rules(answer) == {"no_rule"}
}

test_destruction_administration_and_tunnels_are_refused if {
	"reject-api-destruction" in r.rules(verdict(request("DELETE", "/customers/7", ["bank/customers/{id}"], {})))
	every path in ["/admin/users", "/v1/Admin", "/actuator/env", "/.git/config"] {
		"reject-admin-path" in r.rules(verdict(get(path, ["bank/customers"])))
	}
	"reject-api-control" in r.rules(verdict(request("PROPFIND", "/customers", ["bank/customers"], {})))
	"reject-api-control" in r.rules(verdict(request("GET", "/customers", ["bank/customers"], {"upgrade": "websocket"})))
}

test_another_method_inside_is_refused if {
	overridden := request("POST", "/notes", ["bank/notes"], {"method_overrides": ["DELETE"]})
	answer := verdict(object.union(overridden, {"action": {"class": "destroy"}}))
	answer.verdict == "reject"
	"method-override" in r.rules(answer)
	same := verdict(request("POST", "/notes", ["bank/notes"], {"method_overrides": ["POST"]}))
	r.rules(same) == {"write-endpoint"}
}

test_credentials_are_refused_wherever_they_stand if {
	every more in [{"headers": {"x-api-key": ["k"]}}, {"parsed_query": {"Access_Token": ["t"]}}, {"parsed_query": {"password": ["p"]}}] {
		answer := verdict(request("GET", "/customers", ["bank/customers"], more))
		answer.verdict == "reject"
		r.rules(answer) == {"credentials-in-request"}
	}
}

asked_graphql(operations) := request("POST", "/graphql", ["bank/graphql"], {"body": {"form": "graphql"}, "graphql": operations})

test_graphql_is_asked_and_told_nothing if {
	r.rules(verdict(asked_graphql([{"type": "query"}]))) == {"graphql-query"}
	every operations in [[{"type": "query"}, {"type": "mutation"}], [{"type": "subscription"}], [], null] {
		r.rules(verdict(asked_graphql(operations))) == {"no_rule"}
	}
}

test_protected_fields_are_masked_both_ways if {
	shown := with_parts(customer, "bank/**", [{"name": "body/**/ssn", "labels": ["pii"], "uses": ["output"]}, {"name": "body/**/pin", "labels": ["pii"], "uses": ["output"]}])
	answer := verdict(shown)
	answer.verdict == "mask"
	answer.fields == [{"field": "bank/**.body/**/pin", "method": "null"}, {"field": "bank/**.body/**/ssn", "method": "last4"}]
	note := request("POST", "/notes", ["bank/notes"], {"body": {"form": "text"}})
	written := with_parts(note, "bank/notes", [{"name": "request.body~ssn", "labels": ["pii"], "uses": ["written"]}])
	verdict(written).fields == [{"field": "bank/notes.request.body~ssn", "method": "last4"}]
}

test_a_protected_field_in_the_query_is_refused if {
	steered := with_parts(customer, "bank/**", [{"name": "query.ssn", "labels": ["pii"], "uses": ["predicate"]}])
	answer := verdict(steered)
	answer.verdict == "reject"
	r.rules(answer) == {"predicate-on-labelled"}
}
