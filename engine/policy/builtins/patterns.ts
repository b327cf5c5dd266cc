import { RE2JS } from 're2js'
import type { RegoValue } from '../rego-value.ts'
import { int64Operand, stringOperand, wrongOperand } from './operands.ts'
import type { Calls } from './operands.ts'

/*
 * Go's regular expressions are RE2's: no backtracking, so no pattern and no text makes them slow. RE2JS keeps both the syntax
 * and that promise; JavaScript's own would keep neither. What is done with matches (all of them, splitting, replacing) is
 * Go's and stands here.
 */

export const PATTERN_CALLS: Calls = {
  'regex.find_n': ([pattern, text, most], name) => {
    const subject = stringOperand(text, name)
    return matches(compiled(pattern, name), subject, Number(int64Operand(most, name))).map(({ start, end }) =>
      subject.slice(start, end),
    )
  },
  'regex.replace': ([text, pattern, template], name) =>
    replaceAll(compiled(pattern, name), stringOperand(text, name), stringOperand(template, name)),
  'regex.split': ([pattern, text], name) => split(compiled(pattern, name), stringOperand(text, name)),
  'regex.template_match': ([template, text, open, close], name) => {
    const subject = stringOperand(text, name)
    return templatePattern(stringOperand(template, name), delimiter(open, name), delimiter(close, name), name)
      .matcher(subject)
      .find()
  },
}

interface Match {
  readonly start: number
  readonly end: number
  group(name: string): string
}

const KEPT = 100
const cache = new Map<string, RE2JS>()

function compiled(pattern: RegoValue | undefined, name: string): RE2JS {
  return compile(stringOperand(pattern, name), name)
}

/** Policy's patterns are few; those made of a request's text must not fill the memory. */
function compile(pattern: string, name: string): RE2JS {
  const known = cache.get(pattern)
  if (known !== undefined) return known
  if (cache.size >= KEPT) cache.clear()
  try {
    const made = RE2JS.compile(pattern)
    cache.set(pattern, made)
    return made
  } catch {
    throw wrongOperand(name, "a regular expression of RE2's syntax")
  }
}

/** As Go's FindAll: an empty match right behind the one before counts for nothing. */
function matches(pattern: RE2JS, text: string, most: number): Match[] {
  const found: Match[] = []
  const named = pattern.namedGroups()
  const matcher = pattern.matcher(text)
  let [at, before] = [0, -1]
  const limit = most < 0 ? Infinity : most
  while (at <= text.length && found.length < limit && matcher.find(at)) {
    const [start, end] = [matcher.start(), matcher.end()]
    const groups = Array.from({ length: matcher.groupCount() + 1 }, (_group, index) => matcher.group(index) ?? '')
    const empty = end === at
    if (!empty || start !== before)
      found.push({ start, end, group: (name) => groups[/^\d+$/.test(name) ? Number(name) : (named[name] ?? -1)] ?? '' })
    at = empty ? at + ((text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1) : end
    before = end
  }
  return found
}

function split(pattern: RE2JS, text: string): string[] {
  if (pattern.pattern() !== '' && text === '') return ['']
  const pieces: string[] = []
  let [begin, end] = [0, 0]
  for (const match of matches(pattern, text, -1)) {
    end = match.start
    if (match.end !== 0) pieces.push(text.slice(begin, end))
    begin = match.end
  }
  if (end !== text.length) pieces.push(text.slice(begin))
  return pieces
}

function replaceAll(pattern: RE2JS, text: string, template: string): string {
  let [out, at] = ['', 0]
  for (const match of matches(pattern, text, -1)) {
    out += text.slice(at, match.start) + expand(template, match)
    at = match.end
  }
  return out + text.slice(at)
}

/** `$name` takes as many letters, digits and underscores as there are; `${name}` ends where it says; `$$` is a dollar. */
function expand(template: string, match: Match): string {
  return template.replaceAll(
    /\$(?:(\$)|\{([\p{L}\p{Nd}_]+)\}|([\p{L}\p{Nd}_]+))/gu,
    (_all, dollar: string | undefined, braced: string | undefined, bare: string | undefined) =>
      dollar ?? match.group(braced ?? bare ?? ''),
  )
}

function delimiter(value: RegoValue | undefined, name: string): string {
  const text = stringOperand(value, name)
  if (Buffer.byteLength(text) !== 1) throw wrongOperand(name, 'a delimiter of one character')
  return text
}

/** Text that stands for itself, with patterns between delimiters; delimiters nest. */
function templatePattern(template: string, open: string, close: string, name: string): RE2JS {
  let [out, level, from] = ['', 0, 0]
  for (let at = 0; at < template.length; at += 1) {
    if (template[at] === open) {
      level += 1
      if (level > 1) continue
      out += RE2JS.quote(template.slice(from, at))
      from = at + 1
    } else if (template[at] === close) {
      level -= 1
      if (level < 0) break
      if (level > 0) continue
      const inner = template.slice(from, at)
      compile(`^${inner}$`, name)
      out += `(${inner})`
      from = at + 1
    }
  }
  if (level !== 0) throw wrongOperand(name, 'delimiters that are balanced')
  return compile(`^${out}${RE2JS.quote(template.slice(from))}$`, name)
}
