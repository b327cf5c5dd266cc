import { regoNumber } from './rego-value.ts'
import type { RegoValue } from './rego-value.ts'
import { ADDRESS_CALLS } from './builtins/addresses.ts'
import { COLLECTION_CALLS, randomBelow } from './builtins/collections.ts'
import { DOCUMENT_CALLS } from './builtins/documents.ts'
import { KEY_CALLS } from './builtins/key-texts.ts'
import { LOCATOR_CALLS } from './builtins/locators.ts'
import { MEASURE_CALLS, randomUuid } from './builtins/measures.ts'
import type { Answer, Calls, Circumstances } from './builtins/operands.ts'
import { PATTERN_CALLS } from './builtins/patterns.ts'
import { TEXT_CALLS } from './builtins/texts.ts'
import { TIME_CALLS } from './builtins/times.ts'
import { TOKEN_CALLS } from './builtins/tokens.ts'

/**
 * A function that OPA's WebAssembly leaves to its host. It behaves as OPA's Go does, but for one thing: where Go reports
 * an error, which makes the expression undefined and its negation true, this throws and the decision ends.
 */
export interface Builtin {
  /** The same operands may have another answer at another time: its result is recorded, so that a replay gets the same one. */
  readonly recorded: boolean
  call(operands: readonly RegoValue[], circumstances: Circumstances): Answer
}

const PURE: Calls = {
  ...ADDRESS_CALLS,
  ...COLLECTION_CALLS,
  ...DOCUMENT_CALLS,
  ...KEY_CALLS,
  ...LOCATOR_CALLS,
  ...MEASURE_CALLS,
  ...PATTERN_CALLS,
  ...TEXT_CALLS,
  ...TIME_CALLS,
  ...TOKEN_CALLS, // io.jwt.decode_verify may look at the time: that alone is recorded, its operands are secrets
}

const IMPURE: Calls = {
  'rand.intn': randomBelow,
  'time.now_ns': (_operands, _name, { nowNs }) => regoNumber(nowNs),
  'uuid.rfc4122': (_operands, _name, circumstances) => randomUuid(circumstances),
}

/** Every builtin this host answers; policies/host-builtins.json lists the same names for the compiler. */
export const BUILTINS: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
  ...Object.entries(IMPURE).map(entry(true)),
  ...Object.entries(PURE).map(entry(false)),
])

function entry(recorded: boolean) {
  return ([name, call]: [string, Calls[string]]): [string, Builtin] => [
    name,
    {
      recorded,
      call: (operands, circumstances) => call(operands, name, circumstances),
    },
  ]
}
