# METADATA
# title: The verdict on one HTTP request
# description: Packs fill this package's forward, mask, hold and reject; the library makes one verdict of them.
package countersign.http

import data.countersign.lib
import data.countersign.lib.defaults

# METADATA
# entrypoint: true
verdict := lib.combine({
	"forward": forward,
	"mask": mask,
	"hold": hold,
	"reject": (reject | defaults.reject),
})

# Declared, never filled: a pack may leave any of the four out.
forward contains {} if false

mask contains {} if false

hold contains {} if false

reject contains {} if false
