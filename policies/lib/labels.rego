# What a request does with labelled parts.
package countersign.lib

# protected labels are those in data.protected_labels; a pack without that list protects every label.
protected(label) if label in data.protected_labels

protected(_) if not data.protected_labels

# labelled is the set of [resource name, part name] with a protected label that the request uses so.
labelled(resources, use) := {[resource.name, part.name] |
	some resource in resources
	some part in resource.parts
	use in part.uses
	some label in part.labels
	protected(label)
}

# listing names columns for a message, in one order.
listing(pairs) := concat(", ", sort({concat(".", pair) | some pair in pairs}))
