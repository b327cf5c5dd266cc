package countersign.lib_test

import data.countersign.lib

entry(id, more) := object.union({"rule": id, "message": concat("", [id, " says so"]), "controls": ["Z.1", "A.1"]}, more)

sets(more) := object.union({"forward": set(), "mask": set(), "hold": set(), "reject": set()}, more)

forward := entry("f", {})

mask(field, method) := entry("m", {"field": field, "method": method})

hold(approvers, quorum, seconds, reason) := entry(concat("-", ["h", concat("", approvers)]), {
	"approvers": approvers,
	"quorum": quorum,
	"expires_in": seconds,
	"reason_required": reason,
})

rules(answer) := [reason.rule | some reason in answer.reasons]

test_nothing_matched_is_rejected if {
	answer := lib.combine(sets({}))
	answer.verdict == "reject"
	rules(answer) == ["no_rule"]
	answer.fields == []
	answer.hold == null
	count(answer.reasons[0].controls) > 0
}

test_a_mask_alone_is_no_permission if {
	answer := lib.combine(sets({"mask": {mask("t.a", "last4")}}))
	answer.verdict == "reject"
	rules(answer) == ["mask_without_forward"]
	answer.fields == []
}

test_reject_beats_all_and_tells_every_rejection_only if {
	answer := lib.combine({
		"forward": {forward},
		"mask": {mask("t.a", "last4")},
		"hold": {hold(["g"], 1, 60, false)},
		"reject": {entry("r2", {}), entry("r1", {})},
	})
	answer.verdict == "reject"
	rules(answer) == ["r1", "r2"]
	answer.fields == []
	answer.hold == null
}

test_hold_beats_mask_and_still_masks if {
	answer := lib.combine(sets({
		"forward": {forward},
		"mask": {mask("t.a", "last4")},
		"hold": {hold(["g"], 1, 60, false)},
	}))
	answer.verdict == "hold"
	rules(answer) == ["h-g", "m"]
	answer.fields == [{"field": "t.a", "method": "last4"}]
	answer.hold == {"approvers": ["g"], "quorum": 1, "expires_in": 60, "reason_required": false}
}

test_several_holds_take_the_strictest_of_each_term if {
	answer := lib.combine(sets({"hold": {hold(["a", "b", "c"], 1, 60, true), hold(["c", "b"], 2, 900, false)}}))
	answer.verdict == "hold"
	answer.hold == {"approvers": ["b", "c"], "quorum": 2, "expires_in": 60, "reason_required": true}
}

test_holds_without_a_common_approver_are_rejected if {
	answer := lib.combine(sets({"forward": {forward}, "hold": {hold(["a"], 1, 60, true), hold(["b"], 1, 60, true)}}))
	answer.verdict == "reject"
	rules(answer) == ["conflicting_holds"]
	answer.hold == null
}

test_a_hold_that_nobody_may_answer_is_rejected if {
	rules(lib.combine(sets({"hold": {hold([], 1, 60, true)}}))) == ["conflicting_holds"]
}

test_mask_tells_masks_and_forwards if {
	answer := lib.combine(sets({"forward": {forward}, "mask": {mask("t.b", "email"), mask("t.a", "last4")}}))
	answer.verdict == "mask"
	rules(answer) == ["f", "m"]
	answer.fields == [{"field": "t.a", "method": "last4"}, {"field": "t.b", "method": "email"}]
}

limit(id, more) := entry(id, more)

test_of_several_limits_the_smallest_of_each_kind_holds if {
	limits := {limit("l1", {"max_rows": 1000}), limit("l2", {"max_rows": 10, "timeout_ms": 5000}), limit("l3", {"max_bytes": 7})}
	answer := lib.combine(sets({"forward": {forward}, "limit": limits}))
	answer.verdict == "forward"
	answer.limits == {"max_rows": 10, "max_bytes": 7, "timeout_ms": 5000}
	rules(answer) == ["f", "l1", "l2", "l3"]
}

test_a_mask_and_a_hold_are_limited_as_well if {
	limits := {limit("l", {"max_rows": 10})}
	expected := {"max_rows": 10, "max_bytes": null, "timeout_ms": null}
	masked := lib.combine(sets({"forward": {forward}, "mask": {mask("t.a", "last4")}, "limit": limits}))
	masked.verdict == "mask"
	masked.limits == expected
	held := lib.combine(sets({"hold": {hold(["g"], 1, 60, false)}, "limit": limits}))
	held.verdict == "hold"
	held.limits == expected
}

test_a_limit_alone_is_no_permission if {
	answer := lib.combine(sets({"limit": {limit("l", {"max_rows": 10})}}))
	answer.verdict == "reject"
	rules(answer) == ["no_rule"]
	answer.limits == null
}

test_forward if {
	answer := lib.combine(sets({"forward": {forward}}))
	answer == {
		"verdict": "forward",
		"reasons": [{"rule": "f", "message": "f says so", "controls": ["A.1", "Z.1"]}],
		"fields": [],
		"hold": null,
		"limits": null,
	}
}

test_of_two_methods_the_stricter_covers_the_field if {
	every pair in [
		["null", "redact"], ["redact", "fixed"], ["fixed", "hash"], ["hash", "pseudonym"],
		["pseudonym", "date-year"], ["date-year", "last4"], ["last4", "email"],
	] {
		lib.fields({mask("t.a", pair[0]), mask("t.a", pair[1])}) == [{"field": "t.a", "method": pair[0]}]
	}
}

test_more_masks_than_can_be_sorted_in_time_are_rejected if {
	masks := {mask(sprintf("t.c%d", [i]), "last4") | some i in numbers.range(1, 257)}
	answer := lib.combine(sets({"forward": {forward}, "mask": masks}))
	answer.verdict == "reject"
	rules(answer) == ["too_many_masks"]
	answer.fields == []
	fewer := masks - {mask("t.c1", "last4")}
	count(lib.combine(sets({"forward": {forward}, "mask": fewer})).fields) == 256
}

test_an_unknown_method_hides_all if {
	lib.fields({mask("t.a", "rot13")}) == [{"field": "t.a", "method": "null"}]
	lib.fields({mask("t.a", "rot13"), mask("t.a", "email")}) == [{"field": "t.a", "method": "null"}]
}

test_two_messages_of_one_rule_are_two_reasons_in_order if {
	answer := lib.combine(sets({"reject": {entry("r", {"message": "b"}), entry("r", {"message": "a"})}}))
	[reason.message | some reason in answer.reasons] == ["a", "b"]
}

test_tagged_takes_the_rule_s_words_unless_it_says_better if {
	rule := {"title": "Title", "custom": {"id": "x", "controls": ["A.1"]}}
	lib.tagged(rule, {}) == {"rule": "x", "message": "Title", "controls": ["A.1"]}
	lib.tagged(rule, {"message": "told", "field": "t.a"}) == {
		"rule": "x",
		"message": "told",
		"controls": ["A.1"],
		"field": "t.a",
	}
}
