# METADATA
# title: The verdict on one SQL statement
# description: Packs fill this package's forward, mask, hold, reject and limit; the library makes one verdict of them.
package countersign.postgres

import data.countersign.lib
import data.countersign.lib.defaults

# METADATA
# entrypoint: true
verdict := lib.combine({
	"forward": forward,
	"mask": mask,
	"hold": hold,
	"reject": (reject | defaults.reject),
	"limit": limit,
})

# Declared, never filled: a pack may leave any of them out.
forward contains {} if false

mask contains {} if false

hold contains {} if false

reject contains {} if false

limit contains {} if false
