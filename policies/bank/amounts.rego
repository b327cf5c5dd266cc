# METADATA
# title: Amounts of money in what an agent sends
# description: |
#   An amount counts only where everybody reads it alike: a plain decimal of at most two places. What rounds, has an exponent
#   or a sign is no amount, and nobody can approve it.
package countersign.lib.amounts

# plain is a value as a number.
plain(value) := value if {
	is_number(value)
	value >= 0
	value == floor(value)
}

plain(value) := to_number(value) if {
	is_string(value)
	regex.match(`^[0-9]{1,12}(\.[0-9]{1,2})?$`, value)
}

# total of a list of amounts, added up in whole cents; undefined where one of them is none, or there are none.
total(values) := sum(cents) / 100 if {
	cents := [round(plain(value) * 100) | some value in values]
	count(cents) > 0
	count(cents) == count(values)
}

# at is the value under a path of names; a list has none.
at(document, path) := object.get(document, path, null) if is_object(document)
