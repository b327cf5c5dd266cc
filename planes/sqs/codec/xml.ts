export const XML_TYPE = 'text/xml'

/** One element. `raw`: the content is elements already. */
export function element(name: string, content: string, kind: 'text' | 'raw' = 'text'): string {
  return `<${name}>${kind === 'raw' ? content : escaped(content)}</${name}>`
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  // A parser reads a bare carriage return as a line feed (XML 1.0 section 2.11), and the body's MD5 would be wrong.
  '\r': '&#xD;',
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"\r]/g, (character) => ESCAPES[character] ?? '')
}
