# What agents may read.
package countersign.postgres

import data.countersign.lib
import data.countersign.lib.register

# METADATA
# title: Registered agents read the bank's public tables and the server's catalogue
# custom:
#   id: read-public
#   controls: [IS.II.C.18, IS.II.C.7(b), AIO.III.A.2(a)]
forward contains lib.tagged(rego.metadata.rule(), {}) if {
	known_agent
	input.action.class in {"read", "discover"}
	input.postgres.kind in {"select", "explain", "show", "declare_cursor", "fetch", "move", "copy_to", "lock"}
	all_readable
	count(changed) == 0
	builtin_functions_only
}

# METADATA
# title: Agents have statements prepared; each execution is decided by itself
# custom:
#   id: prepare-only
#   controls: [IS.II.C.18, IS.II.C.7(b)]
forward contains lib.tagged(rego.metadata.rule(), {}) if {
	known_agent
	preparing
	all_readable
	builtin_functions_only
}

# METADATA
# title: Agents read only what is listed for them
# custom:
#   id: unlisted-relation
#   controls: [IS.II.C.18, IS.II.C.7(b), AIO.III.A.2(a)]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	unlisted := {resource.name | some resource in input.resources; not readable(resource)}
	count(unlisted) > 0
	message := sprintf("agents may not use %s; read tables of the public schema or the ordinary catalogue, or ask the policy's owners to list it", [lib.some_of(unlisted)])
}

# METADATA
# title: Agents call only the server's own functions
# custom:
#   id: unlisted-function
#   controls: [IS.II.C.15(b), IS.II.C.18]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	count(foreign_functions) > 0
	message := sprintf("what %s does inside can't be seen from here; write the query over tables instead", [lib.some_of(foreign_functions)])
}

# METADATA
# title: Rows are not copied in
# custom:
#   id: reject-copy
#   controls: [IS.II.C.15(b), IS.II.C.18]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	startswith(input.postgres.kind, "copy")
	input.postgres.kind != "copy_to"
	message := "agents may not copy rows in, nor to or from the server's files and programs; COPY TO STDOUT reads, masked like a SELECT"
}

builtin_functions_only if {
	every name in input.postgres.functions {
		servers_own(name)
	}
}

foreign_functions := {name | some name in input.postgres.functions; not servers_own(name)}

servers_own(name) if startswith(name, "pg_catalog.")

servers_own(name) if name in data.readable_functions

all_readable if {
	every resource in input.resources {
		readable(resource)
	}
}

# The plane asks so when a client wants a statement parsed and described, and nothing run.
preparing if {
	input.action.class == "discover"
	input.postgres.kind == "prepare"
}

written(resource) if "written" in resource.parts[_].uses

# Not among them: sequences, and foreign tables, which read another server.
relation_types := {"table", "view", "materialized-view"}

# A name with a third word could have its dot in the schema or in the relation: it isn't readable.
readable(resource) if {
	resource.type in relation_types
	[schema, _] := split(resource.name, ".")
	schema in data.readable_schemas
	in_reach(resource)
}

readable(resource) if {
	resource.type in relation_types
	[schema, name] := split(resource.name, ".")
	name in data.readable_catalogue[schema]
}

# An agent with relations of its own gets to no other table; the catalogue, which any client needs, stays open.
in_reach(resource) if resource.name in register.entry.relations

in_reach(_) if not register.entry.relations
