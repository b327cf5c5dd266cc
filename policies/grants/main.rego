# METADATA
# title: The verdict on access that is asked for ahead
# description: |
#   Packs fill this package's hold and reject; the library makes one verdict of them. A hold's approvers give the grant. For
#   grants.break_glass, which is in force at once, they review it, before the hold's time has passed. Nothing matched means
#   reject: without a rule for it there is no break-glass.
package countersign.grants

import data.countersign.lib

# METADATA
# entrypoint: true
verdict := lib.combine({
	"forward": set(),
	"mask": set(),
	"hold": hold,
	"reject": reject,
})

# Declared, never filled: a pack may leave either out.
hold contains {} if false

reject contains {} if false
