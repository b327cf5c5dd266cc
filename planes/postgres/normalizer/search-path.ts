/** NAMEDATALEN - 1: the server cuts what is longer. */
const LONGEST_NAME = 63
const WORD = /^[a-z_][a-z0-9_$]*$/

/**
 * The names in a search_path as text, read as SplitIdentifierString does: quoted ones as they stand, others folded to lower
 * case. Null where the server would refuse it, or might read it otherwise.
 */
export function parsePath(text: string): readonly string[] | null {
  const names: string[] = []
  let rest = text.trim()
  while (rest !== '') {
    const [whole, quoted, plain] = /^(?:"((?:[^"]|"")*)"|([^\s",]+))\s*(?:,\s*(?=\S)|$)/.exec(rest) ?? []
    if (whole === undefined) return null
    const name = quoted?.replaceAll('""', '"') ?? foldedName(plain ?? '')
    if (name === null) return null
    names.push(name)
    rest = rest.slice(whole.length)
  }
  return admitted(names)
}

/** Folding beyond ASCII depends on the server's locale. */
function foldedName(plain: string): string | null {
  return /^[\x21-\x7e]+$/.test(plain) ? plain.toLowerCase() : null
}

/** Null where what stands in it is found otherwise than by its name. An empty name finds nothing. */
export function admitted(names: readonly string[]): readonly string[] | null {
  const strange = names.some((name) => /^pg_(?:temp|toast)/i.test(name) || Buffer.byteLength(name) > LONGEST_NAME)
  return strange ? null : names.filter((name) => name !== '')
}

/** As policy sees it: one text for one meaning. */
export function pathText(path: readonly string[]): string {
  return path.map((name) => (WORD.test(name) ? name : `"${name.replaceAll('"', '""')}"`)).join(', ')
}
