import { lookup as systemLookup, type LookupAddress, type LookupAllOptions } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'

/** Nobody's to be sent to: this network, link-local (where clouds tell secrets), multicast, reserved; translated ones too. */
const NEVER = blocks([
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['192.0.0.0', 24],
  ['224.0.0.0', 3],
  ['::', 128],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['2002::', 16],
  ['fd00:ec2::', 32],
  ['fe80::', 10],
  ['ff00::', 8],
])

/** Where only a webhook goes that says so. */
const PRIVATE = blocks([
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['::1', 128],
  ['fc00::', 7],
])

function blocks(networks: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList()
  for (const [address, prefix] of networks) list.addSubnet(address, prefix, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  return list
}

/** Whether a message may go to this address. An IPv4 address in IPv6 clothes is judged as what it is. */
export function isAllowed(address: string, privateNetwork: boolean): boolean {
  const version = isIP(address)
  if (version === 0) return false
  const family = version === 6 ? 'ipv6' : 'ipv4'
  return !NEVER.check(address, family) && (privateNetwork || !PRIVATE.check(address, family))
}

/**
 * Looks a name up for one connection, and answers with allowed addresses only: judged at the moment that the connection is
 * made, so that a name can't be one thing when it is checked and another when it is used.
 */
export function allowedLookup(privateNetwork: boolean): LookupFunction {
  return (hostname, options, callback) => {
    const wanted: LookupAllOptions = { ...options, all: true }
    systemLookup(hostname, wanted, (error, addresses) => {
      if (error !== null) return callback(error, [])
      const allowed = addresses.filter(({ address }) => isAllowed(address, privateNetwork))
      const [first] = allowed
      if (first === undefined) return callback(new Error(refusal(hostname, addresses)), [])
      if (options.all === true) callback(null, allowed)
      else callback(null, first.address, first.family)
    })
  }
}

function refusal(hostname: string, addresses: readonly LookupAddress[]): string {
  const found = addresses.map(({ address }) => address).join(', ')
  return `${hostname} is at ${found}, where no webhook may go; private_network: true allows private networks`
}
