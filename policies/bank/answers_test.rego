package countersign.bank_test

import data.countersign.requests_test as r

estimated(rows) := r.request("select", "read", [r.table("public.transfers", [])], {"estimate": {"rows": rows, "cost": 1.5}})

test_a_copy_is_cut_off_and_a_select_only_where_the_bank_says_so if {
	verdict(r.request("copy_to", "read", [r.table("public.transfers", [])], {})).limits.max_rows == 100000
	verdict(r.select([r.table("public.transfers", [])])).limits == null
	limited := verdict(r.select([r.table("public.transfers", [])])) with data.answers as {"max_rows": {"select": 5}, "refuse_above": 10}
	limited.limits == {"max_rows": 5, "max_bytes": null, "timeout_ms": null}
	r.rules(limited) == {"answer-limit", "read-public"}
}

test_a_statement_has_the_time_that_the_bank_says if {
	timed := verdict(r.select([r.table("public.transfers", [])])) with data.answers as {"timeout_ms": {"select": 500}, "refuse_above": 10}
	timed.limits == {"max_rows": null, "max_bytes": null, "timeout_ms": 500}
	r.rules(timed) == {"answer-time", "read-public"}
}

test_what_is_expected_to_find_too_much_is_refused if {
	answer := verdict(estimated(1000001))
	answer.verdict == "reject"
	r.rules(answer) == {"answer-too-large"}
	contains(answer.reasons[0].message, "1000001")
}

test_what_is_expected_to_find_little_or_has_no_plan_is_not if {
	verdict(estimated(1000000)).verdict == "forward"
	planless := r.request("select", "read", [r.table("public.transfers", [])], {"estimate": null})
	verdict(planless).verdict == "forward"
}

test_what_the_server_did_not_tell_is_refused if {
	unknown := r.request("select", "read", [r.table("public.transfers", [])], {"estimate": "unknown"})
	answer := verdict(unknown)
	answer.verdict == "reject"
	r.rules(answer) == {"answer-size-unknown"}
}
