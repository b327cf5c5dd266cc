/** The emscripten factory inside the package: its published index keeps one instance for good, and we own ours. */
declare module 'libpg-query/wasm/libpg-query.js' {
  export interface PgQueryWasm {
    _malloc(bytes: number): number
    _free(pointer: number): void
    _wasm_parse_query_raw(text: number): number
    _wasm_free_parse_result(result: number): void
    _wasm_scan(text: number): number
    _wasm_normalize_query(text: number): number
    _wasm_free_string(pointer: number): void
    lengthBytesUTF8(text: string): number
    stringToUTF8(text: string, pointer: number, bytes: number): void
    UTF8ToString(pointer: number): string
    getValue(pointer: number, type: 'i32'): number
  }
  export interface PgQueryWasmOptions {
    instantiateWasm(imports: Record<string, WebAssembly.ModuleImports>, receive: (instance: object) => void): void
  }
  export default function load(options: PgQueryWasmOptions): Promise<PgQueryWasm>
}
