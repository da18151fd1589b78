/**
 * How fast bytes of shards may travel over each link: one limit for all links together, and one for those over a slow
 * line, such as a VPN.
 *
 * A link is over a slow line when the address of either of its ends is in the line's network, or its own end is an
 * address of the line's interface: who works from home knows the VPN by his own address, the office by his. The first
 * line that fits counts; its links share its limit, and their bytes count in the limit of all links too.
 */
import { BlockList, isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { SlowLink } from '../../../shared/settings.ts'
import type { Clock } from '../clock.ts'
import { Bandwidth } from './bandwidth.ts'

/** Resolves when `bytes` more may travel. Rejects with the signal's reason. */
export type Pace = (bytes: number, signal?: AbortSignal) => Promise<void>

/** Of one link. Left out: as fast as it goes. */
export interface Paces {
  /** Of what goes out, whoever asked for it. */
  readonly upload?: Pace | undefined
  readonly download?: Pace | undefined
}

/** IP addresses of the two ends of a connection. */
export interface Ends { readonly local: string; readonly remote: string }

/** Bytes per second; null: no limit. */
export interface Rates { readonly uploadBytesPerSecond: number | null; readonly downloadBytesPerSecond: number | null }

export interface PacingOptions extends Rates {
  readonly slowLinks: readonly SlowLink[]
  readonly clock: Clock
  /** The addresses that an interface of this machine has now. */
  readonly addressesOf?: ((name: string) => readonly string[]) | undefined
}

interface Limits { readonly upload: Bandwidth | undefined; readonly download: Bandwidth | undefined }
interface SlowLine { readonly has: (ends: Ends) => boolean; readonly limits: Limits }

export class Pacing {
  readonly #all: Limits
  readonly #slow: readonly SlowLine[]

  constructor({ slowLinks, clock, addressesOf = addressesOfInterface, ...rates }: PacingOptions) {
    this.#all = limitsOf(rates, clock)
    this.#slow = slowLinks.map((line) => ({ has: 'network' in line ? inNetwork(line.network) : ({ local }) => addressesOf(line.interface).includes(plain(local)), limits: limitsOf(line, clock) }))
  }

  /** For a link that begins; `ends` undefined: it runs over no network. */
  of(ends: Ends | undefined): Paces {
    const slow = ends && this.#slow.find((line) => line.has(ends))?.limits
    return { upload: inTurn(slow?.upload, this.#all.upload), download: inTurn(slow?.download, this.#all.download) }
  }
}

function limitsOf({ uploadBytesPerSecond, downloadBytesPerSecond }: Rates, clock: Clock): Limits {
  const limit = (rate: number | null) => (rate === null ? undefined : new Bandwidth(rate, clock))
  return { upload: limit(uploadBytesPerSecond), download: limit(downloadBytesPerSecond) }
}

/** The narrower limit first: what waits for it takes nothing from the others. */
function inTurn(slow: Bandwidth | undefined, all: Bandwidth | undefined): Pace | undefined {
  const [first, second] = [slow, all].flatMap((limit) => (limit === undefined ? [] : [limit.lane()]))
  if (first === undefined || second === undefined) return first
  return async (bytes, signal) => {
    await first(bytes, signal)
    await second(bytes, signal)
  }
}

function inNetwork(cidr: string): SlowLine['has'] {
  const [base = '', bits] = cidr.split('/')
  const network = new BlockList()
  network.addSubnet(base, Number(bits), isIPv6(base) ? 'ipv6' : 'ipv4')
  return ({ local, remote }) => [local, remote].map(plain).some((address) => network.check(address, isIPv6(address) ? 'ipv6' : 'ipv4'))
}

/** A socket that listens on IPv6 shows IPv4 addresses as `::ffff:10.8.0.5`. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
}

function addressesOfInterface(name: string): string[] {
  return (networkInterfaces()[name] ?? []).map(({ address }) => address)
}
