package countersign.bank_queues_test

import data.countersign.requests_test as r
import data.countersign.sqs

arn(name) := concat(":", ["arn:aws:sqs:us-east-1:000000000000", name])

message := {
	"form": "text",
	"body": "hello",
	"json": null,
	"bytes": 5,
	"sha256": "00",
	"attributes": {},
	"system_attributes": {},
	"group": null,
	"deduplication": null,
	"delay_seconds": null,
	"pointer": null,
}

queue(name, parts) := {"type": "queue", "name": arn(name), "labels": [], "parts": parts}

part(name, use) := {"name": name, "labels": ["pii"], "uses": [use]}

request(action, class, kind, resources, more) := {
	"principal": r.agent,
	"action": {"name": concat(".", ["sqs", action]), "class": class},
	"resources": resources,
	"context": {
		"plane": "sqs",
		"session": "s1",
		"time": "2026-01-02T03:04:05.000Z",
		"source": null,
		"transaction": "none",
		"approvals": [],
	},
	"sqs": object.union(
		{
			"kind": kind,
			"statement": action,
			"account": "000000000000",
			"queue": {"name": "q", "region": "us-east-1", "fifo": false},
			"parameters": {},
			"message": null,
		},
		more,
	),
}

receive(name, parts) := request("ReceiveMessage", "read", "receive", [queue(name, parts)], {})

send(name, more) := request(
	"SendMessage", "write", "send", [queue(name, [])],
	{"message": object.union(message, more)},
)

verdict(request) := answer if {
	answer := sqs.verdict with input as request
}

test_listed_queues_are_received_from if {
	every name in ["payments", "tasks", "tasks.fifo"] {
		answer := verdict(receive(name, []))
		answer.verdict == "forward"
		r.rules(answer) == {"receive-listed"}
	}
	verdict(request("DeleteMessage", "write", "consume", [queue("payments", [])], {})).verdict == "forward"
}

test_a_queue_that_is_only_for_sending_is_not_received_from if {
	r.rules(verdict(receive("reports", []))) == {"no_rule"}
	r.rules(verdict(send("payments", {}))) == {"no_rule"}
}

received(name, more) := request(
	"ReceiveMessage", "read", "receive", [queue(name, [])],
	{"message": object.union(message, more)},
)

test_a_classified_message_is_withheld if {
	every more in [
		{"attributes": {"classification": {"type": "String", "value": "Restricted"}}},
		{"form": "json", "json": {"classification": "restricted"}},
	] {
		answer := verdict(received("payments", more))
		answer.verdict == "reject"
		r.rules(answer) == {"withhold-classified"}
		verdict(received("tasks", more)).verdict == "forward"
	}
}

test_a_message_of_another_classification_is_not_withheld if {
	every more in [{}, {"form": "json", "json": {"classification": "internal"}}, {"form": "json", "json": []}] {
		r.rules(verdict(received("payments", more))) == {"receive-listed"}
	}
}

test_a_message_that_may_be_classified_is_withheld if {
	every form in ["large", "ambiguous"] {
		r.rules(verdict(received("payments", {"form": form}))) == {"classification-not-knowable"}
		r.rules(verdict(received("tasks", {"form": form}))) == {"receive-listed"}
	}
	every json in [{"classification": 7}, {"classification": ["restricted"]}] {
		r.rules(verdict(received("payments", {"form": "json", "json": json}))) == {"classification-not-knowable"}
	}
}

test_an_unlisted_queue_is_refused_by_name if {
	answer := verdict(receive("salaries", []))
	answer.verdict == "reject"
	r.rules(answer) == {"unlisted-queue"}
	contains(answer.reasons[0].message, "salaries") == true
}

test_a_body_elsewhere_is_an_unlisted_resource if {
	pointed := {"type": "s3-object", "name": "arn:aws:s3:::b/k", "labels": [], "parts": []}
	r.rules(verdict(request("SendMessage", "write", "send", [queue("tasks", []), pointed], {"message": message}))) == {"unlisted-queue"}
}

test_a_dead_letter_queue_must_be_listed_too if {
	answer := verdict(request("SetQueueAttributes", "control", "control", [queue("tasks", []), queue("elsewhere", [])], {}))
	r.rules(answer) == {"unlisted-queue", "reject-queue-control"}
}

test_listed_queues_are_sent_to if {
	answer := verdict(send("tasks", {}))
	answer.verdict == "forward"
	r.rules(answer) == {"send-listed"}
}

test_a_queue_with_approvers_holds if {
	every form in ["json", "text"] {
		answer := verdict(send("corrections", {"form": form}))
		answer.verdict == "hold"
		answer.hold == {"approvers": ["payments"], "quorum": 1, "expires_in": 900, "reason_required": true}
		r.rules(answer) == {"hold-message"}
	}
}

test_what_no_approver_can_read_is_refused if {
	every form in ["large", "ambiguous"] {
		answer := verdict(send("corrections", {"form": form}))
		answer.verdict == "reject"
		r.rules(answer) == {"message-not-knowable"}
		verdict(send("tasks", {"form": form})).verdict == "forward"
	}
}

test_protected_parts_are_masked_both_ways if {
	shown := verdict(receive("payments", [part("body/customer/ssn", "output"), part("attribute.scan", "output")]))
	shown.verdict == "mask"
	shown.fields == [
		{"field": concat(".", [arn("payments"), "attribute.scan"]), "method": "null"},
		{"field": concat(".", [arn("payments"), "body/customer/ssn"]), "method": "last4"},
	]
	r.rules(shown) == {"receive-listed", "mask-message-pii"}
	sent := verdict(request(
		"SendMessage", "write", "send", [queue("reports", [part("body~ssn", "written")])],
		{"message": message},
	))
	sent.verdict == "mask"
	sent.fields == [{"field": concat(".", [arn("reports"), "body~ssn"]), "method": "last4"}]
}

test_discovery_of_listed_queues_and_of_the_account if {
	found := verdict(request("GetQueueUrl", "discover", "discover", [queue("tasks", [])], {}))
	found.verdict == "forward"
	r.rules(found) == {"discover-listed"}
	account := {"type": "account", "name": "000000000000", "labels": [], "parts": []}
	verdict(request("ListQueues", "discover", "discover", [account], {})).verdict == "forward"
	r.rules(verdict(request("GetQueueUrl", "discover", "discover", [queue("salaries", [])], {}))) == {"unlisted-queue"}
}

test_destruction_and_control_are_refused if {
	every action in ["PurgeQueue", "DeleteQueue", "StartMessageMoveTask"] {
		r.rules(verdict(request(action, "destroy", "destroy", [queue("tasks", [])], {}))) == {"reject-queue-destruction"}
	}
	every action in ["CreateQueue", "AddPermission", "SetQueueAttributes"] {
		r.rules(verdict(request(action, "control", "control", [queue("tasks", [])], {}))) == {"reject-queue-control"}
	}
}

test_strangers_get_nothing if {
	unknown := object.union(receive("tasks", []), {"principal": {"id": "stranger"}})
	r.rules(verdict(unknown)) == {"unregistered-queue-agent"}
	person := object.union(receive("tasks", []), {"principal": {"kind": "person"}})
	r.rules(verdict(person)) == {"no_rule"}
}

pay(json) := send("instructions", {"form": "json", "json": json})

test_small_payments_are_let_through if {
	every amount in [0, 9999, "9999.99"] {
		answer := verdict(pay({"payment": {"amount": amount}}))
		answer.verdict == "forward"
		r.rules(answer) == {"send-listed"}
	}
}

test_large_payments_wait if {
	every amount in [10000, "10000.00", "999999999999.99"] {
		answer := verdict(pay({"payment": {"amount": amount}}))
		answer.verdict == "hold"
		r.rules(answer) == {"hold-payment-message"}
		answer.hold == {"approvers": ["payments"], "quorum": 1, "expires_in": 900, "reason_required": true}
	}
}

test_payments_whose_amount_is_not_seen_are_refused if {
	every json in [{}, [], null, {"payment": []}, {"payment": {"amount": "1e9"}}, {"payment": {"amount": -1}}, {"payment": {"Amount": 1}}, [{"payment": {"amount": 1}}]] {
		answer := verdict(pay(json))
		answer.verdict == "reject"
		r.rules(answer) == {"payment-not-knowable"}
		contains(answer.reasons[0].message, "payment.amount")
	}
	every form in ["text", "large", "ambiguous"] {
		r.rules(verdict(send("instructions", {"form": form}))) == {"payment-not-knowable"}
	}
}

test_a_limit_without_an_amount_lets_nothing_through if {
	half := {arn("instructions"): {"send": true, "receive": false, "moves_money": {"amount": ["amount"]}}}
	r.rules(verdict(pay({"amount": 1}))) == {"payment-not-knowable"}
	unlimited := verdict(pay({"amount": 1})) with data.queues as half
	r.rules(unlimited) == {"no_rule"}
}

test_an_agent_with_hours_uses_queues_in_them if {
	hours := {"days": ["Monday"], "from": "08:00", "to": "18:00", "zone": "UTC"}
	entry := {"owner": "olivia", "purpose": "p", "planes": ["sqs"], "hours": hours}
	sunday := time.parse_rfc3339_ns("2026-01-18T12:00:00Z")
	answer := verdict(receive("tasks", [])) with data.agents as {"reconciler": entry} with time.now_ns as sunday
	r.rules(answer) == {"outside-queue-hours"}
}
