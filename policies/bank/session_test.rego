package countersign.bank_test

import data.countersign.requests_test as r

control(kind, setting) := verdict(r.request(kind, "control", [], {"setting": setting}))

set_setting(name, value) := control("set", {"name": name, "value": value})

test_settings_that_move_the_ground_are_refused if {
	every name in ["role", "search_path", "session_authorization", "transaction_read_only", "row_security", "xmloption", "transaction", "default_transaction_read_only", ""] {
		answer := set_setting(name, "x")
		answer.verdict == "reject"
		r.rules(answer) == {"reject-session-control"}
	}
	r.rules(control("set", null)) == {"reject-session-control"}
}

test_dates_stay_iso if {
	every value in ["SQL, DMY", "Postgres", "German", "", "ISOX"] {
		set_setting("DateStyle", value).verdict == "reject"
	}
	every value in ["ISO", "ISO, MDY", "iso,dmy"] {
		set_setting("DateStyle", value).verdict == "forward"
	}
}

test_names_are_looked_for_where_they_were_or_nowhere if {
	every value in ["", "DEFAULT", "\"$user\", public", "public", "pg_catalog"] {
		set_setting("search_path", value).verdict == "forward"
	}
	every value in ["private", "public, private", "private, public", "bank", "\"PUBLIC\""] {
		set_setting("search_path", value).verdict == "reject"
	}
	control("reset", {"name": "search_path", "value": "DEFAULT"}).verdict == "forward"
}

test_text_stays_utf8 if {
	set_setting("client_encoding", "UTF8").verdict == "forward"
	set_setting("client_encoding", "GBK").verdict == "reject"
}

test_harmless_settings_are_forwarded if {
	every name in ["application_name", "TimeZone", "extra_float_digits", "statement_timeout", "IntervalStyle"] {
		answer := set_setting(name, "anything at all")
		answer.verdict == "forward"
		r.rules(answer) == {"harmless-settings"}
	}
}

test_a_reset_counts_as_the_value_it_leads_to if {
	control("reset", {"name": "application_name", "value": ""}).verdict == "forward"
	control("reset", {"name": "datestyle", "value": ""}).verdict == "reject"
	control("reset", {"name": "all", "value": ""}).verdict == "reject"
}

test_transactions_are_forwarded if {
	every kind in ["begin", "commit", "rollback", "savepoint", "release", "rollback_to", "deallocate", "close"] {
		answer := control(kind, null)
		answer.verdict == "forward"
		r.rules(answer) == {"transaction-control"}
	}
}

test_other_control_is_refused_and_told_what_is_open if {
	every kind in ["discard", "grant", "listen", "load", "prepare", "do"] {
		answer := control(kind, null)
		answer.verdict == "reject"
		r.rules(answer) == {"reject-session-control"}
		contains(answer.reasons[0].message, "application_name")
	}
}

test_control_that_names_a_relation_is_refused if {
	every kind in ["begin", "set"] {
		answer := verdict(r.request(kind, "control", [r.table("public.customers", [])], {}))
		r.rules(answer) == {"reject-session-control"}
	}
}

test_what_cannot_be_seen_into_is_refused_whatever_else_it_does if {
	every what in ["do", "function bank.f", "unresolved", "setting search_path", "session"] {
		every kind in ["select", "begin", "do", "prepare", "fetch"] {
			answer := verdict(r.request(kind, "control", [], {"opaque": [what]}))
			answer.verdict == "reject"
			r.rules(answer) == {"opaque-statement"}
			contains(answer.reasons[0].message, what)
		}
	}
}

test_one_permitted_part_does_not_permit_another if {
	request := r.request("select", "control", [], {"opaque": ["do", "function bank.report"]})
	answer := data.countersign.postgres.verdict with input as request with data.countersign.postgres.permitted_opaque as {"function bank.report"}
	r.rules(answer) == {"opaque-statement"}
	not contains(answer.reasons[0].message, "bank.report")
}

test_a_request_that_tells_nothing_of_it_is_refused if {
	request := json.remove(r.select([]), ["/postgres/opaque"])
	r.rules(verdict(request)) == {"opaque-statement"}
}
