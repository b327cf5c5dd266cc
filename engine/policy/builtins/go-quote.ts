/*
 * Go's strconv quoting, which OPA prints strings with. "Printable" is Go's word: letters, marks, numbers, punctuation,
 * symbols and the plain space, by this engine's Unicode version.
 */

const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u
const SHORT: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
}

export interface QuoteOptions {
  readonly quote?: '"' | "'"
  /** Escapes everything beyond ASCII (`%+q`). */
  readonly ascii?: boolean
}

/** A Go string or rune literal for this text. */
export function goQuote(text: string, { quote = '"', ascii = false }: QuoteOptions = {}): string {
  const escaped = Array.from(text, (char) => (char === quote ? `\\${char}` : (SHORT[char] ?? escape(char, ascii))))
  return `${quote}${escaped.join('')}${quote}`
}

/** Whether Go would print this one character as itself. */
export function isPrintable(char: string): boolean {
  return PRINTABLE.test(char)
}

/** Whether the text can stand between back quotes (`%#q`): no control character but tab, no back quote, no BOM. */
export function canBackquote(text: string): boolean {
  return !/[`\ufeff]|(?!\t)\p{Cc}/u.test(text.replaceAll(/[\u0080-\u009f]/g, ''))
}

function escape(char: string, ascii: boolean): string {
  const code = char.codePointAt(0) ?? 0
  if (isPrintable(char) && (code < 0x80 || !ascii)) return char
  if (code < 0x20 || code === 0x7f) return `\\x${hex(code, 2)}`
  return code < 0x1_0000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`
}

function hex(code: number, width: number): string {
  return code.toString(16).padStart(width, '0')
}
