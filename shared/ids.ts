/** Names of things as branded strings, and their schemas. Machine and owner ids are RFC 7638 thumbprints. */
import { z } from 'zod'

export type MachineId = string & { readonly __brand: 'MachineId' }
export type OwnerId = string & { readonly __brand: 'OwnerId' }
export type NetworkId = string & { readonly __brand: 'NetworkId' }

const thumbprint = z.string().regex(/^[A-Za-z0-9_-]{43}$/)
export const machineIdSchema = thumbprint.transform((value) => value as MachineId)
export const ownerIdSchema = thumbprint.transform((value) => value as OwnerId)
export const networkIdSchema = thumbprint.transform((value) => value as NetworkId)

/** First 8 characters: what logs and screens show. */
export function shortId(id: string): string {
  return id.slice(0, 8)
}
