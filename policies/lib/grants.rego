# METADATA
# title: What a grant covers
# description: |
#   input.context.grants has what the principal has been granted for a time. A grant covers a request when it is of the
#   request's plane, names its action or that action's class, and names every resource that the request touches.
package countersign.lib.grants

covering contains grant if {
	some grant in input.context.grants
	grant.plane == input.context.plane
	names_action(grant)
	count(input.resources) > 0
	every resource in input.resources {
		names_resource(grant, resource.name)
	}
}

names_action(grant) if input.action.name in grant.actions

names_action(grant) if input.action.class in grant.actions

names_resource(grant, name) if name in grant.resources

names_resource(grant, name) if {
	some pattern in grant.resources
	endswith(pattern, "*")
	startswith(name, trim_suffix(pattern, "*"))
}
