/** The machine: the key that TLS, peer records, heads and shard headers are signed with (docs/format.md section 1). */
import { type KeyObject, createHash, createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { z } from 'zod'
import type { MachineId, OwnerId } from '../../shared/ids.ts'
import { type ExchangeJwk, type PublicJwk, type Signer, exchangeJwkOf, publicJwkOf } from './jws.ts'

export interface Machine extends Signer {
  readonly id: MachineId
  readonly jwk: PublicJwk
  readonly privateKey: KeyObject
  readonly exchangeKey: KeyObject
  readonly exchangeJwk: ExchangeJwk
}

const privateJwk = z.object({ kty: z.literal('OKP'), crv: z.string(), x: z.string(), d: z.string() })
const machineFileSchema = z.object({ v: z.literal(1), signing: privateJwk, exchange: privateJwk })

export function generateMachine(): Machine {
  return machineOf(generateKeyPairSync('ed25519').privateKey, generateKeyPairSync('x25519').privateKey)
}

function machineOf(privateKey: KeyObject, exchangeKey: KeyObject): Machine {
  const jwk = publicJwkOf(privateKey)
  return { id: thumbprint(jwk) as MachineId, jwk, privateKey, exchangeKey, exchangeJwk: exchangeJwkOf(exchangeKey) }
}

/** The document that lies in the home (mode 0600). */
export function machineToJson(machine: Machine): string {
  return JSON.stringify({ v: 1, signing: machine.privateKey.export({ format: 'jwk' }), exchange: machine.exchangeKey.export({ format: 'jwk' }) })
}

/** Throws a ZodError or SyntaxError when the document is not one of ours. */
export function machineFromJson(text: string): Machine {
  const file = machineFileSchema.parse(JSON.parse(text))
  return machineOf(createPrivateKey({ key: file.signing, format: 'jwk' }), createPrivateKey({ key: file.exchange, format: 'jwk' }))
}

/** RFC 7638 thumbprint of an OKP key: base64url of SHA-256 over its required members in lexical order. */
export function thumbprint(jwk: PublicJwk | ExchangeJwk): string {
  return createHash('sha256').update(JSON.stringify({ crv: jwk.crv, kty: jwk.kty, x: jwk.x })).digest('base64url')
}

/** The 32 raw bytes of a thumbprint id, as headers carry them. */
export function idToBytes(id: MachineId | OwnerId): Buffer {
  return Buffer.from(id, 'base64url')
}

export function machineIdFromBytes(bytes: Uint8Array): MachineId {
  return Buffer.from(bytes).toString('base64url') as MachineId
}

export function ownerIdFromBytes(bytes: Uint8Array): OwnerId {
  return Buffer.from(bytes).toString('base64url') as OwnerId
}
