package countersign.bank_test

import data.countersign.postgres
import data.countersign.requests_test as r

verdict(request) := answer if {
	answer := postgres.verdict with input as request
}

names(relation) := [r.column(relation, "id", ["output", "predicate"])]

test_private_tables_are_refused_by_name if {
	answer := verdict(r.select([r.table("private.customers", names("private.customers"))]))
	answer.verdict == "reject"
	r.rules(answer) == {"unlisted-relation"}
	contains(answer.reasons[0].message, "private.customers")
}

test_one_refused_table_refuses_the_join if {
	answer := verdict(r.select([
		r.table("public.customers", [r.column("public.customers", "ssn", ["output"])]),
		r.table("private.customers", names("private.customers")),
	]))
	answer.verdict == "reject"
	r.rules(answer) == {"unlisted-relation"}
}

test_only_stored_rows_of_this_server_are_read if {
	every type in ["sequence", "foreign-table", "composite", ""] {
		r.rules(verdict(r.select([of_type(type)]))) == {"unlisted-relation"}
	}
	every type in ["table", "view", "materialized-view"] {
		verdict(r.select([of_type(type)])).verdict == "forward"
	}
}

of_type(type) := {"type": type, "name": "public.thing", "labels": [], "parts": []}

prepare(resources, more) := verdict(r.request("prepare", "discover", resources, more))

test_preparing_is_judged_by_what_it_names if {
	r.rules(prepare([r.table("private.customers", [])], {})) == {"unlisted-relation"}
	r.rules(prepare([], {"functions": ["bank.run"]})) == {"unlisted-function"}
	r.rules(prepare([r.table("public.accounts", [r.set_to("balance", null)])], {})) == {"reject-writes"}
	ssn := r.table("public.customers", [r.column("public.customers", "ssn", ["predicate"])])
	r.rules(prepare([ssn], {})) == {"predicate-on-labelled"}
}

test_a_transfer_is_prepared_with_its_values_open if {
	answer := prepare([r.table("public.transfers", [r.set_to("amount", null)])], {})
	answer.verdict == "forward"
	r.rules(answer) == {"prepare-only"}
}

test_a_masked_read_is_prepared if {
	ssn := r.table("public.customers", [r.column("public.customers", "ssn", ["output"])])
	prepare([ssn], {}).verdict == "mask"
}

test_prepare_as_a_statement_of_its_own_is_refused if {
	r.rules(verdict(r.request("prepare", "control", [], {}))) == {"reject-session-control"}
}

test_a_dot_in_a_name_opens_nothing if {
	every name in ["public.evil.customers", "public", "", ".customers", "Public.customers", "pg_catalog.pg_class.x"] {
		answer := verdict(r.select([r.table(name, [])]))
		r.rules(answer) == {"unlisted-relation"}
	}
}

test_secrets_of_the_catalogue_are_refused if {
	every name in [
		"pg_authid", "pg_shadow", "pg_statistic", "pg_stats", "pg_stats_ext", "pg_statistic_ext_data", "pg_largeobject",
		"pg_user_mapping", "pg_user_mappings", "pg_hba_file_rules", "pg_file_settings", "pg_stat_activity",
		"pg_prepared_statements", "pg_cursors", "pg_subscription", "pg_db_role_setting", "pg_invented_tomorrow",
	] {
		answer := verdict(r.request("select", "discover", [r.table(concat(".", ["pg_catalog", name]), [])], {}))
		r.rules(answer) == {"unlisted-relation"}
	}
	r.rules(verdict(r.select([r.table("information_schema.user_mapping_options", [])]))) == {"unlisted-relation"}
}

test_the_ordinary_catalogue_is_open if {
	every name in ["pg_catalog.pg_class", "pg_catalog.pg_attribute", "information_schema.columns"] {
		verdict(r.request("select", "discover", [r.table(name, [])], {})).verdict == "forward"
	}
}

test_functions_of_others_are_refused if {
	every name in ["bank.close_account", "operator:bank.===", "public.f", "pg_catalogue.f"] {
		answer := verdict(r.request("select", "read", [], {"functions": ["pg_catalog.count", name]}))
		r.rules(answer) == {"unlisted-function"}
		contains(answer.reasons[0].message, name)
	}
}

test_a_request_that_leaves_something_out_is_not_forwarded if {
	request := r.select([])
	every path in ["/postgres/functions", "/postgres/kind", "/resources", "/action/class", "/principal/groups", "/principal/kind"] {
		verdict(json.remove(request, [path])).verdict == "reject"
	}
}

test_copy_in_is_refused_with_the_way_out if {
	every kind in ["copy_from", "copy_to_file", "copy_to_program", "copy"] {
		answer := verdict(r.request(kind, "read", [r.table("public.customers", [])], {}))
		answer.verdict == "reject"
		r.rules(answer) == {"reject-copy"}
		contains(answer.reasons[0].message, "SELECT")
	}
}

test_copy_out_is_a_read_and_masked_like_one if {
	open := verdict(r.request("copy_to", "read", [r.table("public.accounts", [r.column("public.accounts", "id", ["output"])])], {}))
	open.verdict == "forward"
	r.rules(open) == {"answer-limit", "read-public"}
	ssn := r.column("public.customers", "ssn", ["output"])
	masked := verdict(r.request("copy_to", "read", [r.table("public.customers", [ssn])], {}))
	masked.verdict == "mask"
	masked.fields == [{"field": "public.customers.ssn", "method": "last4"}]
	r.rules(verdict(r.request("copy_to", "read", [r.table("private.customers", [])], {}))) == {"unlisted-relation"}
}

test_unknown_kinds_have_no_rule if {
	r.rules(verdict(r.request("explain_analyze", "read", [], {}))) == {"no_rule"}
}

test_reads_in_whatever_form_are_forwarded if {
	every kind in ["select", "explain", "show", "declare_cursor", "fetch", "move"] {
		answer := verdict(r.request(kind, "read", [], {"functions": ["pg_catalog.count"]}))
		answer.verdict == "forward"
		r.rules(answer) == {"read-public"}
		answer.fields == []
	}
}

test_a_read_of_public_tables_is_forwarded if {
	answer := verdict(r.select([r.table("public.customers", names("public.customers"))]))
	answer.verdict == "forward"
}

test_keys_are_read_as_drivers_do if {
	keys := r.request("select", "discover", [r.table("pg_catalog.pg_index", [])], {"functions": ["information_schema._pg_expandarray", "pg_catalog.count"]})
	r.rules(verdict(keys)) == {"read-public"}
	other := r.request("select", "discover", [r.table("pg_catalog.pg_index", [])], {"functions": ["information_schema._pg_index_position"]})
	r.rules(verdict(other)) == {"unlisted-function"}
}

test_a_lock_that_reading_takes_may_be_taken_first if {
	r.rules(verdict(r.request("lock", "read", [r.table("public.accounts", [])], {}))) == {"read-public"}
	r.rules(verdict(r.request("lock", "read", [r.table("private.customers", [])], {}))) == {"unlisted-relation"}
	verdict(r.request("lock", "control", [r.table("public.accounts", [])], {})).verdict == "reject"
}
