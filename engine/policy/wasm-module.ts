import { PolicyError } from '../errors.ts'
import { parseRegoValue, printRegoValue } from './rego-value.ts'
import type { RegoValue } from './rego-value.ts'

/*
 * OPA's Wasm module ABI 1.2 and 1.3 (https://www.openpolicyagent.org/docs/wasm), spoken directly. Addresses are plain
 * numbers inside one instance's memory and live until the heap is set back, which each evaluation begins with.
 */

const PAGE_BYTES = 65_536
const ABI_MAJOR = 1
const ABI_MINOR_FROM = 2
/** What a module has at birth for its code's own constants (some 250 KB for forty rules). One with more can't start. */
const INITIAL_PAGES = 16
const OUT_OF_MEMORY = 'opa_malloc: failed'
const UTF8 = new TextDecoder()
const HOST_CALLS = ['opa_builtin0', 'opa_builtin1', 'opa_builtin2', 'opa_builtin3', 'opa_builtin4']
const IMPORTS = new Set(['memory', 'opa_abort', 'opa_println', ...HOST_CALLS])

type WasmFunction = (...numbers: number[]) => number
type Functions = ReturnType<typeof bind>

/** Answers a host builtin by name. Undefined makes the Rego expression undefined; what it throws ends the evaluation. */
export type HostCall = (name: string, operands: readonly RegoValue[]) => RegoValue | undefined

/** Compiled code of a bundle: immutable, shared by its instances. */
export class WasmModule {
  readonly #module: WebAssembly.Module
  /** Entrypoint name (`countersign/postgres/verdict`) → number. */
  readonly entrypoints: ReadonlyMap<string, number>
  /** Number → name of every builtin that the host has to answer. */
  readonly builtins: ReadonlyMap<number, string>

  private constructor(module: WebAssembly.Module) {
    this.#module = module
    const probe = new WasmInstance(module, new Map(), INITIAL_PAGES * 2)
    this.entrypoints = probe.names('entrypoints')
    this.builtins = new Map([...probe.names('builtins')].map(([name, id]) => [id, name]))
  }

  /** Throws PolicyError ERR_POLICY_MODULE for bytes that are not a module of OPA's ABI. */
  static async compile(bytes: Uint8Array): Promise<WasmModule> {
    let module: WebAssembly.Module
    try {
      module = await WebAssembly.compile(Uint8Array.from(bytes))
    } catch (cause) {
      throw new PolicyError('ERR_POLICY_MODULE', 'policy.wasm is not a WebAssembly module', { cause })
    }
    const stray = WebAssembly.Module.imports(module).find(
      ({ module: from, name }) => from !== 'env' || !IMPORTS.has(name),
    )
    if (stray !== undefined) {
      throw new PolicyError(
        'ERR_POLICY_MODULE',
        `policy.wasm imports ${stray.module}.${stray.name}, which OPA's ABI has not`,
      )
    }
    return new WasmModule(module)
  }

  /** @param data the bundle's data as JSON text. @param maxPages of 64 KiB: what an evaluation can at most fill. */
  instantiate(data: string, maxPages: number): WasmInstance {
    const instance = new WasmInstance(this.#module, this.builtins, maxPages)
    instance.setData(data)
    return instance
  }
}

/**
 * One memory with a policy's data in it. Not re-entrant; after a throw its memory is in no known state, so whoever holds
 * it throws it away.
 */
export class WasmInstance {
  readonly #memory: WebAssembly.Memory
  readonly #functions: Functions
  readonly #builtins: ReadonlyMap<number, string>
  #host: HostCall | undefined
  #data = 0
  #heap = 0

  constructor(module: WebAssembly.Module, builtins: ReadonlyMap<number, string>, maxPages: number) {
    this.#builtins = builtins
    this.#memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: maxPages })
    this.#functions = this.#instantiate(module)
    this.#heap = this.#functions.opa_heap_ptr_get()
  }

  get memoryBytes(): number {
    return this.#memory.buffer.byteLength
  }

  /** `{ name: number }` as the module itself tells it. */
  names(of: 'entrypoints' | 'builtins'): Map<string, number> {
    const listed: unknown = JSON.parse(this.#text(this.#functions.opa_json_dump(this.#functions[of]())))
    const names = new Map<string, number>()
    for (const [name, id] of Object.entries(typeof listed === 'object' && listed !== null ? listed : {})) {
      if (!Number.isSafeInteger(id)) throw new PolicyError('ERR_POLICY_MODULE', `policy.wasm numbers ${name} strangely`)
      names.set(name, Number(id))
    }
    return names
  }

  /** Everything above the data is given back before each evaluation. */
  setData(json: string): void {
    this.#data = this.#parse(json, 'ERR_POLICY_DATA', "the bundle's data")
    this.#heap = this.#functions.opa_heap_ptr_get()
  }

  /**
   * Evaluates one entrypoint and returns the result set in opa_value_dump's text. Throws PolicyError; also what the host
   * call threw.
   *
   * @param input JSON. Null is no input at all, over which `not` makes rules true: OPA's own test cases ask for that, a
   *   decision never does.
   */
  evaluate(entrypoint: number, input: string | null, host: HostCall): string {
    if (this.#host !== undefined) {
      throw new PolicyError('ERR_POLICY_REENTRANT', 'a policy was asked to decide from inside its own decision')
    }
    this.#host = host
    try {
      return this.#evaluate(entrypoint, input)
    } catch (cause) {
      throw asPolicyError(cause)
    } finally {
      this.#host = undefined
    }
  }

  #evaluate(entrypoint: number, input: string | null): string {
    const abi = this.#functions
    abi.opa_heap_ptr_set(this.#heap)
    const document = input === null ? 0 : this.#parse(input, 'ERR_POLICY_INPUT', 'the request')
    const context = abi.opa_eval_ctx_new()
    if (document !== 0) abi.opa_eval_ctx_set_input(context, document)
    abi.opa_eval_ctx_set_data(context, this.#data)
    abi.opa_eval_ctx_set_entrypoint(context, entrypoint)
    if (abi.eval(context) !== 0) throw new PolicyError('ERR_POLICY_EVALUATION', 'the policy module reported a failure')
    return this.#text(abi.opa_value_dump(abi.opa_eval_ctx_get_result(context)))
  }

  #instantiate(module: WebAssembly.Module): Functions {
    const call = (id: number, _context: number, ...operands: number[]): number => this.#call(id, operands)
    const env: WebAssembly.ModuleImports = {
      memory: this.#memory,
      opa_abort: (address: number) => {
        throw abortion(this.#text(address))
      },
      // Only `print` writes here, which our capabilities leave out; text from inside a policy could hold client values.
      opa_println: () => {},
      ...Object.fromEntries(HOST_CALLS.map((name) => [name, call])),
    }
    try {
      return bind(new WebAssembly.Instance(module, { env }).exports)
    } catch (cause) {
      if (cause instanceof PolicyError) throw cause
      throw new PolicyError('ERR_POLICY_MODULE', "policy.wasm can't be started", { cause })
    }
  }

  #call(id: number, operands: readonly number[]): number {
    const name = this.#builtins.get(id)
    if (name === undefined || this.#host === undefined) {
      throw new PolicyError('ERR_POLICY_BUILTIN', `the policy module called builtin ${id}, which it did not declare`)
    }
    const values = operands.map((address) => parseRegoValue(this.#text(this.#functions.opa_value_dump(address))))
    const answer = this.#host(name, values)
    return answer === undefined ? 0 : this.#value(printRegoValue(answer))
  }

  /** opa_json_parse gives 0 where opa_eval would go on with an undefined input. */
  #parse(json: string, code: 'ERR_POLICY_DATA' | 'ERR_POLICY_INPUT', what: string): number {
    const address = this.#withText(json, this.#functions.opa_json_parse)
    if (address === 0) throw new PolicyError(code, `the policy module can't read ${what} as JSON`)
    return address
  }

  #value(text: string): number {
    const address = this.#withText(text, this.#functions.opa_value_parse)
    if (address === 0) throw new PolicyError('ERR_POLICY_BUILTIN', "the policy module can't read a builtin's answer")
    return address
  }

  #withText(text: string, parse: WasmFunction): number {
    const bytes = Buffer.from(text)
    const address = this.#functions.opa_malloc(bytes.length)
    // A view made after opa_malloc: growing the memory detaches every earlier one.
    new Uint8Array(this.#memory.buffer, address, bytes.length).set(bytes)
    return parse(address, bytes.length)
  }

  /** Text up to the first zero byte; copied out, because the memory moves and is reused. */
  #text(address: number): string {
    const memory = new Uint8Array(this.#memory.buffer)
    const end = memory.indexOf(0, address)
    if (address === 0 || end < 0)
      throw new PolicyError('ERR_POLICY_EVALUATION', 'the policy module gave no text where it should')
    return UTF8.decode(memory.subarray(address, end))
  }
}

/** Bytes to pages of 64 KiB, rounded up. */
export function pagesFor(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES)
}

function bind(exports: WebAssembly.Exports) {
  const major = globalValue(exports, 'opa_wasm_abi_version')
  const minor = globalValue(exports, 'opa_wasm_abi_minor_version')
  if (major !== ABI_MAJOR || minor < ABI_MINOR_FROM) {
    throw new PolicyError(
      'ERR_POLICY_MODULE',
      `policy.wasm speaks ABI ${major}.${minor}; expected ${ABI_MAJOR}.${ABI_MINOR_FROM} or later`,
    )
  }
  return {
    opa_malloc: exported(exports, 'opa_malloc'),
    opa_json_parse: exported(exports, 'opa_json_parse'),
    opa_json_dump: exported(exports, 'opa_json_dump'),
    opa_value_parse: exported(exports, 'opa_value_parse'),
    opa_value_dump: exported(exports, 'opa_value_dump'),
    opa_heap_ptr_get: exported(exports, 'opa_heap_ptr_get'),
    opa_heap_ptr_set: exported(exports, 'opa_heap_ptr_set'),
    opa_eval_ctx_new: exported(exports, 'opa_eval_ctx_new'),
    opa_eval_ctx_set_input: exported(exports, 'opa_eval_ctx_set_input'),
    opa_eval_ctx_set_data: exported(exports, 'opa_eval_ctx_set_data'),
    opa_eval_ctx_set_entrypoint: exported(exports, 'opa_eval_ctx_set_entrypoint'),
    opa_eval_ctx_get_result: exported(exports, 'opa_eval_ctx_get_result'),
    eval: exported(exports, 'eval'),
    builtins: exported(exports, 'builtins'),
    entrypoints: exported(exports, 'entrypoints'),
  }
}

function exported(exports: WebAssembly.Exports, name: string): WasmFunction {
  const value = exports[name]
  if (!isWasmFunction(value)) throw new PolicyError('ERR_POLICY_MODULE', `policy.wasm does not export ${name}`)
  return value
}

function globalValue(exports: WebAssembly.Exports, name: string): number {
  const value = exports[name]
  return value instanceof WebAssembly.Global ? Number(value.value) : 0
}

function isWasmFunction(value: unknown): value is WasmFunction {
  return typeof value === 'function'
}

const RULE_LOCATION = /^(\S+:\d+:\d+): (.*)$/s

/** OPA aborts with `file:line:column: what`, or with a bare reason. The text names rules, never values. */
function abortion(message: string): PolicyError {
  if (message === OUT_OF_MEMORY) return outOfMemory(undefined)
  const [, location, what = message] = RULE_LOCATION.exec(message) ?? []
  const where = location === undefined ? {} : { location }
  return new PolicyError(
    'ERR_POLICY_EVALUATION',
    `the policy stopped: ${what}${location === undefined ? '' : ` (${location})`}`,
    where,
  )
}

function outOfMemory(cause: unknown): PolicyError {
  return new PolicyError('ERR_POLICY_MEMORY', 'the policy needed more memory than one decision may use', { cause })
}

/** Traps come as WebAssembly.RuntimeError: out of bounds, unreachable, a stack that ran over. */
function asPolicyError(cause: unknown): PolicyError {
  if (cause instanceof PolicyError) return cause
  return new PolicyError('ERR_POLICY_EVALUATION', 'the policy module failed while it decided', { cause })
}
