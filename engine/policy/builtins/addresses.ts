import { isIP } from 'node:net'
import { isRegoObject, isSet, regoNumber } from '../rego-value.ts'
import type { RegoValue } from '../rego-value.ts'
import { regoSet } from '../rego-json.ts'
import { MOST_ITEMS } from './collections.ts'
import { beyondHost, listOperand, stringOperand, wrongOperand } from './operands.ts'
import type { Calls } from './operands.ts'

/** An IPv4 or IPv6 network, its host bits cleared. An IPv4-mapped IPv6 network is one of IPv6. */
interface Network {
  readonly version: 4 | 6
  readonly first: bigint
  readonly prefix: number
}

/** A run of addresses; IPv4 stands in IPv6's mapped range, so that all compare. */
interface Run {
  first: bigint
  last: bigint
}

const MAPPED = 0xffff_0000_0000n

export const ADDRESS_CALLS: Calls = {
  'net.cidr_contains_matches': ([wholes, parts], name) => containsMatches(wholes, parts, name),
  'net.cidr_expand': ([network], name) => expand(networkOf(stringOperand(network, name), name), name),
  'net.cidr_is_valid': ([network]) => typeof network === 'string' && parseNetwork(network) !== undefined,
  'net.cidr_merge': ([networks], name) => merge(listOperand(networks, name).map((item) => elementOf(item, name))),
}

function networkOf(text: string, name: string): Network {
  const network = parseNetwork(text)
  if (network === undefined) throw wrongOperand(name, 'a network, such as 192.0.2.0/24')
  return network
}

/** As Go's net.ParseCIDR: no zone, no leading zeros. */
function parseNetwork(text: string): Network | undefined {
  const [address = '', length = '', ...more] = text.split('/')
  const version = isIP(address)
  if (version === 0 || address.includes('%') || more.length > 0 || !/^(?:0|[1-9]\d{0,2})$/.test(length))
    return undefined
  const [bits, prefix] = [version === 4 ? 32 : 128, Number(length)]
  if (prefix > bits) return undefined
  const free = BigInt(bits - prefix)
  return { version: version === 4 ? 4 : 6, first: (addressValue(address) >> free) << free, prefix }
}

export function addressValue(text: string): bigint {
  if (!text.includes(':')) return text.split('.').reduce((value, part) => value * 256n + BigInt(part), 0n)
  const [head = '', tail] = text.replace(/[\d.]+$/, (end) => (end.includes('.') ? groupsOf(end) : end)).split('::')
  const [left, right] = [words(head), words(tail ?? '')]
  const middle = tail === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => 0n)
  return [...left, ...middle, ...right].reduce((value, word) => value * 65_536n + word, 0n)
}

/** An address's last 32 bits written the IPv4 way, as two words of hex. */
function groupsOf(dotted: string): string {
  const value = addressValue(dotted)
  return `${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`
}

function words(text: string): bigint[] {
  return text === '' ? [] : text.split(':').map((word) => BigInt(`0x${word}`))
}

function addressText(value: bigint, version: 4 | 6): string {
  if (version === 4 || value >> 32n === 0xffffn) {
    return [24n, 16n, 8n, 0n].map((shift) => ((value >> shift) & 255n).toString()).join('.')
  }
  const groups = Array.from({ length: 8 }, (_group, at) => ((value >> BigInt(112 - 16 * at)) & 0xffffn).toString(16))
  const zeros = groups
    .join(':')
    .match(/(?:^|:)0(?::0)+(?=:|$)/g)
    ?.toSorted((one, other) => other.length - one.length)
  const longest = zeros?.[0]
  if (longest === undefined) return groups.join(':')
  const text = groups.join(':')
  const at = text.indexOf(longest)
  const [before, after] = [text.slice(0, at), text.slice(at + longest.length)]
  return `${before}::${after.replace(/^:/, '')}`
}

function hostBits({ version, prefix }: Network): bigint {
  return BigInt((version === 4 ? 32 : 128) - prefix)
}

function holds(whole: Network, part: Network): boolean {
  const [one, other] = [runOf(whole), runOf(part)]
  return whole.version === part.version && one.first <= other.first && other.last <= one.last
}

/** An address or a network, as Go reads either: `::ffff:1.2.3.4` is the address 1.2.3.4. */
function inside(whole: string, part: string, name: string): boolean {
  const network = networkOf(whole, name)
  if (part.includes('/')) return holds(network, networkOf(part, name))
  if (isIP(part) === 0 || part.includes('%')) throw wrongOperand(name, 'an address or a network')
  const value = addressValue(part)
  const version = isIP(part) === 4 || value >> 32n === 0xffffn ? 4 : 6
  return holds(network, {
    version,
    first: version === 4 ? value & 0xffff_ffffn : value,
    prefix: version === 4 ? 32 : 128,
  })
}

function containsMatches(wholes: RegoValue | undefined, parts: RegoValue | undefined, name: string): RegoValue {
  const inner = candidates(parts, name)
  const pairs = candidates(wholes, name).flatMap(([whole, one]) =>
    inner.filter(([part]) => inside(whole, part, name)).map(([, other]) => [one, other]),
  )
  return regoSet(pairs)
}

/** Each network with what the result calls it by: its index, its key, or itself. */
function candidates(
  value: RegoValue | undefined,
  name: string,
): readonly (readonly [network: string, index: RegoValue])[] {
  if (typeof value === 'string') return [[value, value]]
  if (Array.isArray(value)) return value.map((item: RegoValue, at) => [networkIn(item, name), regoNumber(at)] as const)
  if (value !== undefined && isRegoObject(value))
    return value.entries.map(([key, item]) => [networkIn(item, name), key])
  if (value !== undefined && isSet(value)) return value.values.map((item) => [networkIn(item, name), item])
  throw wrongOperand(name, 'a network, or a collection of them')
}

function networkIn(item: RegoValue, name: string): string {
  return stringOperand(Array.isArray(item) ? item[0] : item, name)
}

function expand(network: Network, name: string): RegoValue {
  const count = 1n << hostBits(network)
  if (count > BigInt(MOST_ITEMS)) throw beyondHost(name, `more than ${MOST_ITEMS} addresses`)
  return regoSet(
    Array.from({ length: Number(count) }, (_item, at) => addressText(network.first + BigInt(at), network.version)),
  )
}

/** A network, or an IPv4 address with the mask that its class had. */
function elementOf(item: RegoValue, name: string): Network {
  const text = stringOperand(item, name)
  if (isIP(text) === 0 || text.includes('%')) return networkOf(text, name)
  const value = addressValue(text)
  if (isIP(text) === 6 && value >> 32n !== 0xffffn) throw wrongOperand(name, 'a prefix length behind an IPv6 address')
  return classful(value & 0xffff_ffffn, name)
}

function classful(value: bigint, name: string): Network {
  const top = value >> 24n
  const prefix = top < 128n ? 8 : top < 192n ? 16 : top < 224n ? 24 : 0
  if (prefix === 0) throw beyondHost(name, 'an address of a class without a mask')
  const free = BigInt(32 - prefix)
  return { version: 4, first: (value >> free) << free, prefix }
}

function runOf(network: Network): Run {
  const first = network.version === 4 ? network.first + MAPPED : network.first
  return { first, last: first + (1n << hostBits(network)) - 1n }
}

function merge(networks: readonly Network[]): RegoValue {
  const runs: Run[] = []
  for (const run of networks.map(runOf).toSorted((one, other) => (one.first < other.first ? -1 : 1))) {
    const before = runs.at(-1)
    if (before !== undefined && run.first <= before.last + 1n && isMapped(run) === isMapped(before)) {
      before.last = before.last > run.last ? before.last : run.last
    } else runs.push({ ...run })
  }
  return regoSet(runs.flatMap(blocksOf))
}

function isMapped({ first }: Run): boolean {
  return first >> 32n === 0xffffn
}

/** The fewest networks that cover a run. */
function blocksOf(run: Run): string[] {
  const blocks: string[] = []
  const mapped = isMapped(run)
  for (let at = run.first; at <= run.last;) {
    let bits = 0n
    while (bits < (mapped ? 32n : 128n) && at % (2n << bits) === 0n && at + (2n << bits) - 1n <= run.last) bits += 1n
    blocks.push(`${addressText(mapped ? at - MAPPED : at, mapped ? 4 : 6)}/${(mapped ? 32n : 128n) - bits}`)
    at += 1n << bits
  }
  return blocks
}
