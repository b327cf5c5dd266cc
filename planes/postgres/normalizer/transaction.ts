import type { TransactionStmt } from 'libpg-query'
import type { Outcome, SessionEffect } from './normalized.ts'
import { unsupported } from './refusal.ts'

/** BEGIN to ROLLBACK TO. A transaction itself changes nothing; two-phase commit outlives the session and is refused. */
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
    case 'TRANS_STMT_COMMIT_PREPARED':
    case 'TRANS_STMT_ROLLBACK_PREPARED':
    case null:
      break
  }
  throw unsupported('two-phase commit is not covered')
}

function control(kind: string, effect: SessionEffect): Outcome {
  return { kind, class: 'control', effect }
}
