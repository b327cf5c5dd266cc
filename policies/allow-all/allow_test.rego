package countersign.allow_all_test

import data.countersign.postgres

request := {
	"principal": {"id": "anyone", "kind": "person"},
	"action": {"name": "postgres.drop", "class": "destroy"},
	"resources": [],
	"context": {},
	"postgres": {"kind": "drop", "opaque": ["do", "unresolved"]},
}

test_what_this_pack_did_not_permit_would_be_refused if {
	none := postgres.verdict with input as request with data.countersign.postgres.permitted_opaque as set()
	none.verdict == "reject"
	none.reasons[0].rule == "opaque-statement"
	silent := postgres.verdict with input as json.remove(request, ["/postgres/opaque"])
	silent.verdict == "reject"
}

test_all_is_forwarded if {
	answer := postgres.verdict with input as request
	answer.verdict == "forward"
	answer.reasons[0].rule == "allow-all"
}
