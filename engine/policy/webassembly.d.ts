/** The part of the WebAssembly JavaScript API that engine/policy uses: neither es2024 nor @types/node declares it. */
declare namespace WebAssembly {
  interface ModuleImportDescriptor {
    readonly module: string
    readonly name: string
    readonly kind: 'function' | 'global' | 'memory' | 'table'
  }

  class Module {
    static imports(module: Module): ModuleImportDescriptor[]
    private constructor()
  }

  class Instance {
    readonly exports: Exports
    constructor(module: Module, imports: Record<string, ModuleImports>)
  }

  class Memory {
    /** Replaced whenever the memory grows; views of the old one are then detached. */
    readonly buffer: ArrayBuffer
    constructor(limits: { readonly initial: number; readonly maximum: number })
  }

  class Global {
    readonly value: unknown
    private constructor()
  }

  type Exports = Readonly<Record<string, unknown>>
  type ModuleImports = Record<string, Memory | ((...numbers: number[]) => number | void)>

  function compile(bytes: Uint8Array<ArrayBuffer>): Promise<Module>
}
