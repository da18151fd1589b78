/** Where other machines reach this one. */
import { networkInterfaces } from 'node:os'
import type { Address } from '../network/membership/records.ts'

/** Addresses in a record, at most. */
const maxAddresses = 8

/** Of an agent that listens on `host` (null: everywhere). Link-local addresses are left out; loopback counts when there is nothing else. */
export function reachableAddresses(host: string | null, port: number): readonly Address[] {
  if (host !== null && host !== '::' && host !== '0.0.0.0') return [{ host, port }]
  const outside = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80:')).map(({ address }) => ({ host: address, port }))
  return outside.length > 0 ? outside.slice(0, maxAddresses) : [{ host: '127.0.0.1', port }]
}
