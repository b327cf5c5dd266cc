package countersign.allow_all_sqs_test

import data.countersign.sqs

test_all_of_sqs_is_forwarded if {
	answer := sqs.verdict with input as {
		"principal": {"id": "anyone", "kind": "person"},
		"action": {"name": "sqs.PurgeQueue", "class": "destroy"},
		"resources": [],
		"context": {},
		"sqs": {"kind": "destroy"},
	}
	answer.verdict == "forward"
	answer.reasons[0].rule == "allow-all-sqs"
}
