# What an authorizer beside Envoy decides in the bench: agents read customers, one by one or all.
package bench

import rego.v1

default allow := false

allow if {
	input.claims.sub in agents
	input.attributes.request.http.method in {"GET", "HEAD"}
	some route in routes
	matches(route, input.parsed_path)
}

agents := {"reconciler"}

routes := [["customers"], ["customers", "*"]]

matches(route, path) if {
	count(route) == count(path)
	every index, segment in route { segment in {"*", path[index]} }
}
