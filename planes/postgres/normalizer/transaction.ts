import type { TransactionStmt } from 'libpg-query'
import type { Outcome, SessionEffect } from './normalized.ts'
import { unsupported } from './refusal.ts'

/** BEGIN to ROLLBACK TO, and two-phase commit, which outlives the session. A transaction itself changes nothing. */
export function transactionStatement({ kind, savepoint_name: name = '', chain = false }: TransactionStmt): Outcome {
  switch (kind ?? null) {
    case 'TRANS_STMT_BEGIN':
    case 'TRANS_STMT_START':
      return control('begin', { kind: 'begin' })
    case 'TRANS_STMT_COMMIT':
      return control('commit', { kind: 'commit', chain })
    case 'TRANS_STMT_ROLLBACK':
      return control('rollback', { kind: 'rollback', chain })
    case 'TRANS_STMT_SAVEPOINT':
      return control('savepoint', { kind: 'savepoint', name })
    case 'TRANS_STMT_RELEASE':
      return control('release', { kind: 'release', name })
    case 'TRANS_STMT_ROLLBACK_TO':
      return control('rollback_to', { kind: 'rollback_to', name })
    case 'TRANS_STMT_PREPARE':
      return control('prepare_transaction', { kind: 'none' })
    case 'TRANS_STMT_COMMIT_PREPARED':
      return control('commit_prepared', { kind: 'catalog', temporary: false }) // it may hold definitions
    case 'TRANS_STMT_ROLLBACK_PREPARED':
      return control('rollback_prepared', { kind: 'none' })
    case null:
      break
  }
  throw unsupported('this form of transaction control is not covered')
}

function control(kind: string, effect: SessionEffect): Outcome {
  return { kind, class: 'control', effect }
}
