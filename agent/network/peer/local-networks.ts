/** The networks that this machine is in, as a beacon needs them. */
import { isIPv6 } from 'node:net'
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'

export interface LocalNetwork {
  readonly family: 4 | 6
  /** What a socket is bound to so that it sends there. */
  readonly address: string
  /** As node:dgram names the interface to it: an IPv4 address, or `::%name`. */
  readonly multicastInterface: string
  /** IPv4's broadcast address of it; undefined for IPv6. */
  readonly broadcast: string | undefined
}

/** Of an agent that listens on `host` (null, `::` and `0.0.0.0`: everywhere). Loopback counts when there is nothing else, or is the host. */
export function localNetworks(host: string | null): LocalNetwork[] {
  const all = Object.entries(networkInterfaces()).flatMap(([name, addresses]) => (addresses ?? []).map((info) => ({ name, info })))
  const isAny = host === null || host === '::' || host === '0.0.0.0'
  const outside = all.filter(({ info }) => !info.internal)
  const chosen = !isAny ? all.filter(({ info }) => info.address === host) : outside.length > 0 ? outside : all
  const networks = chosen.map(({ name, info }) => networkOf(name, info))
  return [...new Map(networks.map((network) => [network.multicastInterface, network])).values()]
}

function networkOf(name: string, { address, netmask, family }: NetworkInterfaceInfo): LocalNetwork {
  if (family === 'IPv6' || isIPv6(address)) return { family: 6, address: '::', multicastInterface: `::%${name}`, broadcast: undefined }
  return { family: 4, address, multicastInterface: address, broadcast: broadcastOf(address, netmask) }
}

export function broadcastOf(address: string, netmask: string): string {
  const mask = netmask.split('.').map(Number)
  return address.split('.').map((byte, index) => Number(byte) | (~(mask[index] ?? 255) & 255)).join('.')
}
