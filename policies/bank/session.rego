# Transactions and settings.
package countersign.postgres

import data.countersign.lib

# METADATA
# title: Agents open and end transactions
# custom:
#   id: transaction-control
#   controls: [IS.II.C.15(b), IS.II.C.18]
forward contains lib.tagged(rego.metadata.rule(), {}) if {
	known_agent
	transaction_control
}

# METADATA
# title: Agents set what changes no statement's meaning
# custom:
#   id: harmless-settings
#   controls: [IS.II.C.15(b), IS.II.C.18]
forward contains lib.tagged(rego.metadata.rule(), {}) if {
	known_agent
	harmless_setting
}

# METADATA
# title: Agents leave the session's authority and environment alone
# custom:
#   id: reject-session-control
#   controls: [IS.II.C.15, IS.II.C.15(b)]
reject contains lib.tagged(rego.metadata.rule(), {"message": message}) if {
	known_agent
	input.action.class == "control"
	count(input.postgres.opaque) == 0
	not transaction_control
	not harmless_setting
	message := sprintf("agents may not change roles, privileges or the server; of the session's settings these are open: %s", [concat(", ", sort(object.keys(data.harmless_settings)))])
}

transaction_control if {
	count(input.resources) == 0
	input.postgres.kind in {"begin", "commit", "rollback", "savepoint", "release", "rollback_to", "deallocate", "close"}
}

harmless_setting if {
	input.postgres.kind in {"set", "reset"}
	count(input.resources) == 0
	setting := input.postgres.setting
	allowed := data.harmless_settings[lower(setting.name)]
	accepts(allowed, replace(lower(setting.value), " ", ""))
}

accepts(allowed, _) if count(allowed) == 0

accepts(allowed, value) if value in allowed
