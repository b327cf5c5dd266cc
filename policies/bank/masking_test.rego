package countersign.bank_test

import data.countersign.requests_test as r

shown(relation, name) := verdict(r.select([r.table(relation, [r.column(relation, name, ["output"])])]))

test_each_identifier_has_its_mask if {
	every relation in ["public.customers", "public.customers_archive", "public.vip_customers"] {
		every name, method in {"ssn": "last4", "email": "email", "phone": "last4", "dob": "date-year"} {
			answer := shown(relation, name)
			answer.verdict == "mask"
			answer.fields == [{"field": concat(".", [relation, name]), "method": method}]
			r.rules(answer) == {"mask-customer-pii", "read-public"}
		}
	}
	shown("public.accounts", "account_number").fields[0].method == "last4"
}

test_copies_of_identifiers_are_masked_too if {
	shown("public.customer_mv", "code").fields == [{"field": "public.customer_mv.code", "method": "last4"}]
	shown("public.customer_mv", "digest").fields == [{"field": "public.customer_mv.digest", "method": "null"}]
}

test_a_sensitive_column_without_a_method_is_nulled if {
	part := {"name": "iban", "labels": ["pii"], "uses": ["output"]}
	verdict(r.select([r.table("public.new_table", [part])])).fields == [{"field": "public.new_table.iban", "method": "null"}]
}

test_what_is_computed_from_an_identifier_is_refused if {
	part := r.column("public.customers", "ssn", ["output", "derived"])
	answer := verdict(r.select([r.table("public.customers", [part])]))
	answer.verdict == "reject"
	r.rules(answer) == {"derived-from-labelled"}
	answer.fields == []
}

test_an_identifier_in_a_condition_is_refused if {
	part := r.column("public.accounts", "account_number", ["predicate"])
	r.rules(verdict(r.select([r.table("public.accounts", [part])]))) == {"predicate-on-labelled"}
}
