package countersign.bank_register_test

import data.countersign.lib.amounts
import data.countersign.lib.register

office := {"days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"], "from": "08:00", "to": "18:00", "zone": "America/New_York"}

at(moment) := time.parse_rfc3339_ns(moment)

test_hours_are_the_clock_s_of_the_zone if {
	# A Wednesday; New York is five hours behind UTC in winter, four in summer.
	register.within(office, at("2026-01-14T13:00:00Z"))
	register.within(office, at("2026-01-14T22:59:59Z"))
	not register.within(office, at("2026-01-14T12:59:59Z"))
	not register.within(office, at("2026-01-14T23:00:00Z"))
	register.within(office, at("2026-07-15T12:00:00Z"))
}

test_a_weekend_is_the_zone_s if {
	not register.within(office, at("2026-01-17T15:00:00Z"))
	not register.within(object.union(office, {"from": "00:00", "to": "24:00"}), at("2026-01-19T03:00:00Z"))
	register.within(object.union(office, {"from": "00:00", "to": "24:00"}), at("2026-01-19T05:00:00Z"))
}

test_hours_with_something_left_out_are_none if {
	every name in ["days", "from", "to", "zone"] {
		not register.within(object.remove(office, [name]), at("2026-01-14T15:00:00Z"))
	}
}

test_plain_amounts if {
	amounts.plain("12.50") == 12.5
	amounts.plain("0") == 0
	amounts.plain(7) == 7
	every value in ["1e6", "-5", "+5", "0x10", "12.345", "1_000", "", " 5", "5\n", "NaN", "1234567890123", -1, 0.5, null, true, [], {}] {
		not amounts.plain(value)
	}
}

test_a_total_needs_every_amount if {
	amounts.total(["1", "2.25"]) == 3.25
	amounts.total(["0.10" | some _ in numbers.range(1, 10)]) == 1
	not amounts.total([])
	not amounts.total(["1", null])
}

test_an_amount_lies_at_its_path_or_nowhere if {
	amounts.at({"payment": {"amount": "5"}}, ["payment", "amount"]) == "5"
	amounts.at({"payment": ["5"]}, ["payment", "amount"]) == null
	amounts.at({}, ["amount"]) == null
	not amounts.at([{"amount": "5"}], ["amount"])
	not amounts.at("5", ["amount"])
}
