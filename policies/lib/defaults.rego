# METADATA
# title: Rules that hold on every plane
# description: |
#   A mask covers a value that is handed out as it is. What is computed from a labelled value, or steered by it, tells
#   the value all the same, so a plane's entrypoint adds these to its own rejections.
package countersign.lib.defaults

import data.countersign.lib

# METADATA
# title: Nothing computed from a protected value is handed out
# custom:
#   id: derived-from-labelled
#   controls: [AIO.V.C.2(c), DAM.IV.I.2, IS.II.C.13]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	columns := lib.labelled(input.resources, "derived")
	count(columns) > 0
	message := sprintf("the answer is computed from %s, and an expression over a protected value reveals it; select the column by itself and it comes back masked", [lib.listing(columns)])
}

# METADATA
# title: No protected value steers what is handed out
# custom:
#   id: predicate-on-labelled
#   controls: [AIO.III.A.2(a), DAM.IV.I.2, IS.II.C.13]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	columns := lib.labelled(input.resources, "predicate")
	count(columns) > 0
	message := sprintf("%s steers which rows come back or in what order, and that tells its value piece by piece; filter, join, group and sort by a column that is not protected, such as the id", [lib.listing(columns)])
}
