import { DOMParser, type Document, type Element, type Node } from '@xmldom/xmldom'
import { IdentityError } from '../../errors.ts'

export const NAMESPACE = {
  assertion: 'urn:oasis:names:tc:SAML:2.0:assertion',
  protocol: 'urn:oasis:names:tc:SAML:2.0:protocol',
  signature: 'http://www.w3.org/2000/09/xmldsig#',
} as const

const ELEMENT = 1
const TEXT = 3

export type { Document, Element }

export function malformed(what: string): IdentityError {
  return new IdentityError('ERR_IDENTITY_ASSERTION', `the SAML assertion ${what}`)
}

/**
 * Parses XML of which parsers can't differ: no document type and so no entities, no comments, no CDATA, no processing
 * instructions. Throws ERR_IDENTITY_ASSERTION; the text is in no message.
 */
export function parseXml(text: string): Document {
  const body = text.replace(/^<\?xml [^<>?]*\?>/, '')
  if (/<[!?]/.test(body)) throw malformed('holds a document type, a comment, CDATA or a processing instruction')
  try {
    return new DOMParser({ onError: stop }).parseFromString(body, 'text/xml')
  } catch {
    throw malformed('is not well-formed XML') // no cause: the parser quotes what it read
  }
}

/** Warnings, too: what the parser has to guess at, another one may guess otherwise. */
function stop(): never {
  throw new Error('not well-formed')
}

/** Child elements, in order. Throws for text between them that isn't white space. */
export function childrenOf(parent: Node): readonly Element[] {
  return nodesOf(parent).flatMap((node) => {
    if (isElement(node)) return [node]
    if (node.nodeType === TEXT && (node.nodeValue ?? '').trim() === '') return []
    throw malformed('holds text between its elements')
  })
}

export function named(elements: readonly Element[], namespace: string, name: string): readonly Element[] {
  return elements.filter((each) => each.namespaceURI === namespace && each.localName === name)
}

/** The one child of that name. */
export function only(parent: Element, namespace: string, name: string): Element {
  const [found, ...more] = named(childrenOf(parent), namespace, name)
  if (found !== undefined && more.length === 0) return found
  throw malformed(`must have one ${name} in its ${parent.localName ?? 'root'}`)
}

/** The text of an element that holds nothing else. */
export function textOf(element: Element): string {
  const nodes = nodesOf(element)
  if (nodes.some((node) => node.nodeType !== TEXT)) throw malformed(`holds more than text in a ${element.localName}`)
  return nodes.map((node) => node.nodeValue ?? '').join('')
}

/** Null where it isn't there: an empty one is something else. */
export function attributeOf(element: Element, name: string): string | null {
  return element.hasAttribute(name) ? element.getAttribute(name) : null
}

/** The element and all beneath it. */
export function* everyElement(root: Element): Generator<Element> {
  yield root
  for (const node of nodesOf(root)) if (isElement(node)) yield* everyElement(node)
}

function nodesOf(parent: Node): readonly Node[] {
  return Array.from(parent.childNodes)
}

function isElement(node: Node): node is Element {
  return node.nodeType === ELEMENT
}
