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

# listing names columns for a message.
listing(pairs) := some_of({concat(".", pair) | some pair in pairs})

# some_of writes names into a message, in one order; of many only the first, and how many there are besides.
some_of(names) := concat(", ", sort(names)) if {
	count(names) <= 5
} else := sprintf("%s and %d more", [min(names), count(names) - 1])
