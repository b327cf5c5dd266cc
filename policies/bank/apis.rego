# What agents may ask of HTTP APIs.
package countersign.http

import data.countersign.lib
import data.countersign.lib.amounts
import data.countersign.lib.register

known_agent if register.known

# METADATA
# title: Agents at APIs are registered with an owner and a purpose
# custom:
#   id: unregistered-api-agent
#   controls: [IS.II.C.7(b), AIO.VI.A.3, AUTH.Scope]
reject contains lib.tagged(rego.metadata.rule(), {"message": register.unknown_message}) if {
	input.principal.kind == "agent"
	not known_agent
}

# METADATA
# title: Agents that have hours use APIs in them
# custom:
#   id: outside-api-hours
#   controls: [IS.II.C.15, IS.II.C.7(b), AUTH.Scope]
reject contains lib.tagged(rego.metadata.rule(), {"message": register.off_hours_message}) if register.off_hours

# METADATA
# title: Agents read from endpoints that are listed for them
# custom:
#   id: read-endpoint
#   controls: [IS.II.C.18, IS.II.C.7(b), AIO.III.A.2(a)]
forward contains lib.tagged(rego.metadata.rule(), {}) if {
	known_agent
	input.action.class == "read"
	listed
}

# METADATA
# title: Agents write to endpoints that are listed for them, in bodies that can be seen
# custom:
#   id: write-endpoint
#   controls: [IS.II.C.18, IS.II.C.7(b)]
forward contains lib.tagged(rego.metadata.rule(), {}) if {
	known_agent
	writing
	not threshold
}

# METADATA
# title: Agents ask GraphQL what doesn't change anything
# custom:
#   id: graphql-query
#   controls: [IS.II.C.18, IS.II.C.7(b), AIO.III.A.2(a)]
forward contains lib.tagged(rego.metadata.rule(), {}) if {
	known_agent
	input.action.class == "write"
	some route in own_routes
	data.apis[route].graphql == "queries"
	only_queries
}

# METADATA
# title: Payments below the amount that a person looks at are let through
# custom:
#   id: small-api-payment
#   controls: [IS.II.C.7(b), IS.II.C.15, IS.II.C.18]
forward contains lib.tagged(rego.metadata.rule(), {}) if {
	known_agent
	writing
	amount < threshold.hold_from
}

# METADATA
# title: A large payment over an API waits for a person
# custom:
#   id: hold-api-payment
#   controls: [IS.II.C.7(c), GLBA.III.C.1.e, IS.II.C.15]
hold contains lib.tagged(rego.metadata.rule(), {
	"message": message,
	"approvers": threshold.approvers,
	"quorum": threshold.quorum,
	"expires_in": threshold.expires_in,
	"reason_required": true,
}) if {
	known_agent
	writing
	amount >= threshold.hold_from
	message := sprintf("a payment of this size waits for %d yes from %s, with a reason; send the same request again once it is approved", [threshold.quorum, concat(" or ", threshold.approvers)])
}

# METADATA
# title: A payment over an API tells its amount
# custom:
#   id: api-payment-not-knowable
#   controls: [IS.II.C.7(c), IS.II.C.15]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	writing
	threshold
	not amount
	message := sprintf("what this endpoint moves must be seen: send a JSON object with the amount at %s, a plain decimal with at most two places", [concat(".", threshold.amount)])
}

# METADATA
# title: Agents ask only what is listed for them
# custom:
#   id: unlisted-endpoint
#   controls: [IS.II.C.18, IS.II.C.7(b), AIO.III.A.2(a)]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	not listed
	message := sprintf("agents may not use %s; ask the policy's owners to list this method of its route", [input.http.statement])
}

# METADATA
# title: Administration is nothing for agents, listed or not
# custom:
#   id: reject-admin-path
#   controls: [IS.II.C.15, IS.II.C.15(b), IS.II.C.18]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	some segment in input.http.parsed_path
	lower(segment) in data.admin_segments
	message := sprintf("agents may not use paths under %s; ask the agent's owner to have it done by change management", [lower(segment)])
}

# METADATA
# title: Agents delete nothing over an API
# custom:
#   id: reject-api-destruction
#   controls: [IS.II.C.15(b), IS.II.C.18, IS.II.C.10]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	input.action.class == "destroy"
	message := "agents may not delete anything; ask the agent's owner to have it done by change management"
}

# METADATA
# title: Agents use no method that nobody knows the effect of, and open no tunnels
# custom:
#   id: reject-api-control
#   controls: [IS.II.C.15, IS.II.C.15(b)]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	beyond_methods
	message := "agents may use GET, HEAD, OPTIONS, POST, PUT and PATCH, and no connection that goes on as something else"
}

# METADATA
# title: A request has one method
# custom:
#   id: method-override
#   controls: [IS.II.C.15(b), IS.II.C.18]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	others := {method | some method in input.http.method_overrides} - {input.http.method}
	count(others) > 0
	message := sprintf("this request could be taken for a %s: leave out X-HTTP-Method-Override and _method, and send the method itself", [lib.some_of(others)])
}

# METADATA
# title: What agents write can be seen
# custom:
#   id: body-not-seen
#   controls: [IS.II.C.13, IS.II.C.15]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	input.action.class != "read"
	not seen
	message := "agents send bodies that can be looked into: JSON, a form, or text, of at most 64 KiB, with its content type"
}

# METADATA
# title: Agents bring no credentials of their own to an API
# custom:
#   id: credentials-in-request
#   controls: [IS.II.C.15(a), IS.II.C.7(b), AUTH.Scope]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	count(credentials) > 0
	message := sprintf("leave out %s: the gateway itself signs in at the API, and what a client brings along would get past it", [lib.some_of(credentials)])
}

# METADATA
# title: Protected fields of APIs are masked for agents, and in what agents send
# custom:
#   id: mask-api-pii
#   controls: [AIO.V.C.2(c), IS.II.C.13, IS.II.C.18, DAM.IV.I.2]
mask contains lib.tagged(rego.metadata.rule(), {"field": concat(".", part), "method": method}) if {
	known_agent
	some use in {"output", "written"}
	some part in lib.labelled(input.resources, use)
	method := object.get(data.masks.http, part, "null")
}

# The routes that the plane found for this path, of those that the bank lists, where they are for this agent.
own_routes := {route |
	some route in input.http.routes
	for_agent(data.apis[route])
}

for_agent(entry) if input.principal.id in entry.agents

for_agent(entry) if not entry.agents

# Every listed route that the path meets must have the method: the narrower one says no for both.
listed if {
	count(own_routes) > 0
	every route in own_routes { input.http.method in data.apis[route].methods }
}

writing if {
	input.action.class == "write"
	listed
	seen
	not graphql_only
}

graphql_only if {
	some route in own_routes
	data.apis[route].graphql
}

only_queries if {
	is_array(input.http.graphql)
	count(input.http.graphql) > 0
	every operation in input.http.graphql { operation.type == "query" }
}

beyond_methods if input.action.class == "control"

beyond_methods if input.http.upgrade != null

seen if input.http.body.form in {"none", "json", "ndjson", "form", "graphql", "text"}

# What moves money, where it tells the amount, and from which amount on a person looks at it. Two that differ conflict,
# and then nothing is decided.
threshold := data.apis[route].moves_money if some route in own_routes

amount := amounts.plain(amounts.at(input.http.parsed_body, threshold.amount))

credentials contains name if {
	some name, _ in input.http.headers
	name in data.credential_names
}

credentials contains name if {
	some name, _ in input.http.parsed_query
	lower(name) in data.credential_names
}
