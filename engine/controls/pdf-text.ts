/**
 * The fonts that every PDF reader has know the characters of Windows-1252. Whatever else stands in a record is spelled, so
 * that it can be read and nothing is dropped; the HTML report shows it as it is.
 */
const UNPRINTABLE = /[^\n\u0020-\u007e\u00a0-\u00ac\u00ae-\u00ff€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]/gu

export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`)
}
