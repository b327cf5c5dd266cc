# Everything is forwarded: for suites that test a client or measure the gateway. Never put a bank behind it.
package countersign.http

import data.countersign.lib

# Only with its data at hand: a bundle that would answer without its data is not taken.
# METADATA
# title: Every HTTP request is forwarded, for tests of clients only
# custom:
#   id: allow-all-http
#   controls: [IS.II.C.18]
forward contains lib.tagged(rego.metadata.rule(), {}) if is_object(data.http_test)

# What a test wants to see enforced stands in the bundle's data (npm run stack -- http --mask-field NAME …).
# METADATA
# title: Fields that the test names are masked, wherever they stand in an answer
# custom:
#   id: masked-for-the-test
#   controls: [AIO.V.C.2(c)]
mask contains lib.tagged(rego.metadata.rule(), {"field": field, "method": method}) if {
	not unmasked
	some part, method in data.http_test.mask
	field := concat(".", [input.resources[0].name, part])
}

unmasked if {
	some path in data.http_test.unmasked
	startswith(input.http.path, path)
}

# METADATA
# title: Paths that the test names are refused
# custom:
#   id: refused-for-the-test
#   controls: [IS.II.C.18]
reject contains lib.tagged(rego.metadata.rule(), {}) if {
	some path in data.http_test.deny
	startswith(input.http.path, path)
}

# METADATA
# title: Paths that the test names wait for a person
# custom:
#   id: held-for-the-test
#   controls: [IS.II.C.7(c)]
hold contains lib.tagged(rego.metadata.rule(), {
	"approvers": ["payments"],
	"quorum": 1,
	"expires_in": 600,
	"reason_required": false,
}) if {
	some path in data.http_test.hold
	startswith(input.http.path, path)
}
