package countersign.allow_all_http_test

import data.countersign.http

request := {
	"principal": {"id": "anyone", "kind": "person"},
	"action": {"name": "http.DELETE", "class": "destroy"},
	"resources": [{"type": "endpoint", "name": "bank/customers/7", "labels": [], "parts": []}],
	"context": {},
	"http": {"method": "DELETE", "path": "/customers/7"},
}

test_all_of_http_is_forwarded if {
	answer := http.verdict with input as request
	answer.verdict == "forward"
	answer.reasons[0].rule == "allow-all-http"
}

test_what_a_test_names_is_masked if {
	answer := http.verdict with input as request with data.http_test.mask as {"body/**/ssn": "last4"}
	answer.verdict == "mask"
	answer.fields == [{"field": "bank/customers/7.body/**/ssn", "method": "last4"}]
}

test_where_a_test_says_so_nothing_is_masked if {
	answer := http.verdict with input as request with data.http_test.mask as {"body": "null"}
		with data.http_test.unmasked as ["/customers"]
	answer.verdict == "forward"
}

test_what_a_test_names_is_refused if {
	answer := http.verdict with input as request with data.http_test.deny as ["/customers"]
	answer.verdict == "reject"
	answer.reasons[0].rule == "refused-for-the-test"
	other := http.verdict with input as request with data.http_test.deny as ["/accounts"]
	other.verdict == "forward"
}

test_what_a_test_names_is_held if {
	answer := http.verdict with input as request with data.http_test.hold as ["/customers"]
	answer.verdict == "hold"
	answer.hold.approvers == ["payments"]
}
