package countersign.lib_test

import data.countersign.lib
import data.countersign.lib.defaults

customers := {"name": "public.customers", "parts": [
	{"name": "ssn", "labels": ["pii"], "uses": ["output", "derived"]},
	{"name": "email", "labels": ["pii", "contact"], "uses": ["predicate"]},
	{"name": "tier", "labels": ["internal"], "uses": ["derived", "predicate"]},
	{"name": "id", "labels": [], "uses": ["derived", "predicate"]},
]}

reject_ids(answers) := {entry.rule | some entry in answers}

test_labelled_takes_protected_labels_only if {
	found := lib.labelled([customers], "predicate") with data.protected_labels as ["pii"]
	found == {["public.customers", "email"]}
}

test_without_a_list_every_label_is_protected if {
	found := lib.labelled([customers], "predicate") with data.protected_labels as false
	found == {["public.customers", "email"], ["public.customers", "tier"]}
}

test_derived_and_predicate_uses_are_rejected_by_name if {
	answers := defaults.reject with input.resources as [customers] with data.protected_labels as ["pii"]
	reject_ids(answers) == {"derived-from-labelled", "predicate-on-labelled"}
	some derived in answers
	derived.rule == "derived-from-labelled"
	contains(derived.message, "public.customers.ssn,") == true
	not contains(derived.message, "tier")
}

test_plain_output_is_not_rejected if {
	plain := {"name": "public.customers", "parts": [{"name": "ssn", "labels": ["pii"], "uses": ["output"]}]}
	answers := defaults.reject with input.resources as [plain] with data.protected_labels as ["pii"]
	count(answers) == 0
}

test_unlabelled_parts_may_be_used_as_they_please if {
	plain := {"name": "public.customers", "parts": [{"name": "id", "labels": [], "uses": ["derived", "predicate"]}]}
	answers := defaults.reject with input.resources as [plain] with data.protected_labels as ["pii"]
	count(answers) == 0
}

test_columns_are_listed_in_order if {
	lib.listing({["t", "b"], ["t", "a"]}) == "t.a, t.b"
}

test_a_message_lists_few_names_and_counts_many if {
	lib.some_of({"e", "d", "c", "b", "a"}) == "a, b, c, d, e"
	lib.some_of({"g", "f", "e", "d", "c", "b", "a"}) == "a and 6 more"
}
