package countersign.allow_all_test

import data.countersign.postgres

test_all_is_forwarded if {
	answer := postgres.verdict with input as {
		"principal": {"id": "anyone", "kind": "person"},
		"action": {"name": "postgres.drop", "class": "destroy"},
		"resources": [],
		"context": {},
		"postgres": {"kind": "drop"},
	}
	answer.verdict == "forward"
	answer.reasons[0].rule == "allow-all"
}
