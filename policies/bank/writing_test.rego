package countersign.bank_test

import data.countersign.requests_test as r

test_a_transfer_with_unseen_values_is_refused if {
	every values in [null, [], [null], ["NaN"], ["1e6"], ["-5"], [" 5"], ["999999.995"], ["0x10"], ["5", null], ["1_000"], ["1234567890123"], ["5\n"]] {
		answer := verdict(r.transfer(values))
		answer.verdict == "reject"
		r.rules(answer) == {"transfer-not-knowable"}
	}
}

test_a_transfer_without_values_for_another_column_is_refused if {
	every hidden in [r.set_to("from_account", null), {"name": "from_account", "labels": [], "uses": ["written"]}] {
		parts := [hidden, r.set_to("amount", ["5"])]
		answer := verdict(r.request("insert", "write", [r.table("public.transfers", parts)], {}))
		r.rules(answer) == {"transfer-not-knowable"}
	}
}

test_a_transfer_without_an_amount_is_refused if {
	parts := [r.set_to("from_account", ["10"]), r.set_to("to_account", ["20"])]
	answer := verdict(r.request("insert", "write", [r.table("public.transfers", parts)], {}))
	r.rules(answer) == {"transfer-not-knowable"}
}

test_a_transfer_that_reads_elsewhere_is_refused if {
	base := r.transfer(["5"])
	request := object.union(base, {"resources": array.concat(base.resources, [r.table("private.customers", [])])})
	r.rules(verdict(request)) == {"unlisted-relation"}
}

test_a_transfer_by_way_of_a_function_is_refused if {
	base := r.transfer(["5"])
	request := object.union(base, {"postgres": object.union(base.postgres, {"functions": ["bank.run"]})})
	r.rules(verdict(request)) == {"unlisted-function"}
}

test_a_transfer_that_also_writes_elsewhere_is_a_write if {
	base := r.transfer(["5"])
	also := r.table("public.accounts", [r.set_to("balance", ["0"])])
	r.rules(verdict(object.union(base, {"resources": array.concat(base.resources, [also])}))) == {"reject-writes"}
}

test_a_transfer_waits_for_one_person if {
	answer := verdict(r.transfer(["250000"]))
	answer.verdict == "hold"
	r.rules(answer) == {"hold-transfer"}
	answer.hold == {"approvers": ["payments"], "quorum": 1, "expires_in": 900, "reason_required": true}
	not contains(answer.reasons[0].message, "250000")
}

held_from_500 := object.union(data.transfers, {"hold_from": 500})

test_transfers_below_the_amount_that_is_held_are_let_through if {
	small := verdict(r.transfer(["499.99"])) with data.transfers as held_from_500
	small.verdict == "forward"
	r.rules(small) == {"small-transfer"}
	in_pieces := verdict(r.transfer(["499.99", "0.01"])) with data.transfers as held_from_500
	r.rules(in_pieces) == {"hold-transfer"}
	unlimited := verdict(r.transfer(["1"])) with data.transfers as object.remove(data.transfers, ["hold_from"])
	r.rules(unlimited) == {"no_rule"}
}

test_large_amounts_wait_for_two if {
	every values in [["1000000"], ["1000000.00"], ["999999999999.99"], ["500000", "500000"], ["999999.99", "0.01"]] {
		verdict(r.transfer(values)).hold.quorum == 2
	}
	verdict(r.transfer(["999999.99"])).hold.quorum == 1
}

test_a_held_transfer_masks_what_it_returns if {
	base := r.transfer(["5"])
	returned := r.table("public.accounts", [r.column("public.accounts", "account_number", ["output"])])
	answer := verdict(object.union(base, {"resources": array.concat(base.resources, [returned])}))
	answer.verdict == "hold"
	answer.fields == [{"field": "public.accounts.account_number", "method": "last4"}]
}

test_destruction_is_refused_with_advice if {
	every kind in ["delete", "truncate", "drop_table", "alter_table"] {
		answer := verdict(r.request(kind, "destroy", [r.table("public.audit_log", [])], {}))
		answer.verdict == "reject"
		r.rules(answer) == {"reject-destructive"}
		contains(answer.reasons[0].message, "owner")
	}
}

test_other_writes_are_refused if {
	every kind in ["insert", "update", "merge", "select_into"] {
		answer := verdict(r.request(kind, "write", [r.table("public.accounts", [r.set_to("balance", ["0"])])], {}))
		answer.verdict == "reject"
		r.rules(answer) == {"reject-writes"}
	}
	r.rules(verdict(r.request("update", "write", [r.table("public.transfers", [r.set_to("amount", ["1"])])], {}))) == {"reject-writes"}
}

test_a_read_that_writes_is_a_write if {
	r.rules(verdict(r.select([r.table("public.transfers", [r.set_to("amount", ["1"])])]))) == {"reject-writes"}
}
