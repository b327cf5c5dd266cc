# METADATA
# title: How the verdicts of many rules become one
# description: |
#   A plane's package fills four sets (forward, mask, hold, reject) with entries that `tagged` makes; `combine` answers
#   with the strictest: reject over hold over mask over forward. Nothing matched means reject. A mask says how something
#   is handed out, not that it may be: it needs a forward or a hold beside it. So does a limit, which says how much; its
#   entries are in a fifth set, which a plane's package may leave out.
package countersign.lib

# tagged makes an entry of a verdict set: who says so (the rule's own METADATA), and what else the verdict carries. A
# message in `more` takes the place of the rule's title.
tagged(rule, more) := object.union(
	{"rule": rule.custom.id, "message": rule.title, "controls": rule.custom.controls},
	more,
)

# combine answers in the one shape that the gateway takes.
combine(sets) := answer("reject", sets.reject, set(), null) if {
	count(sets.reject) > 0
} else := answer("reject", {conflicting_holds}, set(), null) if {
	count(sets.hold) > 0
	count(common_approvers(sets.hold)) == 0
} else := answer("reject", {too_many_masks}, set(), null) if {
	count(sets.mask) > most_masks
} else := limited("hold", sets.hold | sets.mask, sets, hold_terms(sets.hold)) if {
	count(sets.hold) > 0
} else := answer("reject", {mask_alone}, set(), null) if {
	count(sets.mask) > 0
	count(sets.forward) == 0
} else := limited("mask", sets.mask | sets.forward, sets, null) if {
	count(sets.mask) > 0
} else := limited("forward", sets.forward, sets, null) if {
	count(sets.forward) > 0
} else := answer("reject", {no_rule}, set(), null)

no_rule := {
	"rule": "no_rule",
	"message": "no rule allows this request, and what no rule allows is rejected; ask the policy's owners for a rule, or for access",
	"controls": ["IS.II.C.7(b)", "IS.II.C.15"],
}

mask_alone := {
	"rule": "mask_without_forward",
	"message": "a rule masks part of this request but none allows it; ask the policy's owners for a rule that forwards it",
	"controls": ["IS.II.C.7(b)", "IS.II.C.15"],
}

# Sorting in WebAssembly takes the square of what is sorted; no honest statement comes near this.
most_masks := 256

too_many_masks := {
	"rule": "too_many_masks",
	"message": sprintf("this request hands out more than %d protected fields; ask for fewer at a time", [most_masks]),
	"controls": ["AIO.V.C.2(c)"],
}

conflicting_holds := {
	"rule": "conflicting_holds",
	"message": "several rules hold this request and no group may answer all of them; split the request so that each part has one approver",
	"controls": ["IS.II.C.7(c)"],
}

answer(verdict, entries, masks, terms) := {
	"verdict": verdict,
	"reasons": reasons(entries),
	"fields": fields(masks),
	"hold": terms,
	"limits": null,
}

limited(verdict, entries, sets, terms) := object.union(
	answer(verdict, entries | limit_entries(sets), sets.mask, terms),
	{"limits": limits(limit_entries(sets))},
)

limit_entries(sets) := object.get(sets, "limit", set())

# limits are the smallest of each kind; a kind that no rule limits is null.
limits(entries) := {kind: smallest(entries, kind) | some kind in limit_kinds} if {
	count(entries) > 0
} else := null

limit_kinds := {"max_rows", "max_bytes", "timeout_ms"}

smallest(entries, kind) := min(found) if {
	found := {entry[kind] | some entry in entries}
	count(found) > 0
} else := null

# Sets come in no order of their own; records must not differ from one evaluation to the next.
reasons(entries) := [{"rule": key[0], "message": key[1], "controls": sort(key[2])} |
	some key in sort({[entry.rule, entry.message, entry.controls] | some entry in entries})
]

# fields names each masked field once, with the strictest of its methods: of its sorted pairs, the first.
fields(masks) := [{"field": pair[0], "method": methods_by_strictness[pair[1]]} |
	pairs := sort({[mask.field, strictness(mask.method)] | some mask in masks})
	some i, pair in pairs
	not same_field(pairs, i - 1, pair[0])
]

same_field(pairs, i, field) if pairs[i][0] == field

# From what reveals nothing to what reveals most.
methods_by_strictness := ["null", "redact", "fixed", "hash", "pseudonym", "date-year", "last4", "email"]

# A method that is none of ours reveals nothing either.
strictness(method) := rank if {
	some rank, known in methods_by_strictness
	known == method
} else := 0

# hold_terms are at least as strict as those of each rule that holds.
hold_terms(holds) := {
	"approvers": sort(common_approvers(holds)),
	"quorum": max({hold.quorum | some hold in holds}),
	"expires_in": min({hold.expires_in | some hold in holds}),
	"reason_required": true in {hold.reason_required | some hold in holds},
}

# An approver answers for the whole request, so only a group that every rule trusts will do.
common_approvers(holds) := intersection({{group | some group in hold.approvers} | some hold in holds})
