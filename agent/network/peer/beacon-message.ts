/**
 * A call on the local network and its answer (docs/protocol.md section 6): 92 bytes that look random to whoever has not the
 * key, which comes from the id of the network. Both kinds are equally long, so that an answer amplifies nothing.
 */
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import { type MachineId, type NetworkId, machineIdSchema } from '../../../shared/ids.ts'

const nonceLength = 12
const tagLength = 16
const bodyLength = 64
export const beaconLength = nonceLength + bodyLength + tagLength
const version = 1
const kinds = { call: 1, answer: 2 } as const
/** Offsets in the body: version, kind, port, minute, machine, nonce of the call that is answered. */
const at = { version: 0, kind: 1, port: 2, minute: 4, machine: 8, echo: 40 } as const
const noMachine = Buffer.alloc(32)
/** What clocks may differ by, as everywhere (docs/format.md section 11). */
const skewMinutes = 48 * 60

export interface BeaconMessage {
  readonly kind: keyof typeof kinds
  /** Of the sender's peer door; 0 when it has none. */
  readonly port: number
  /** Undefined for a recovery, which is no member yet. */
  readonly machine: MachineId | undefined
  /** In an answer: the nonce of the call. */
  readonly echo: Buffer | undefined
}

export function beaconKey(net: NetworkId): Buffer {
  return Buffer.from(hkdfSync('sha256', Buffer.from(net, 'base64url'), Buffer.alloc(0), 'holdfast beacon 1', 32))
}

/** `nonce`: 12 fresh random bytes. `nowMs`: since 1970. */
export function sealBeacon(key: Buffer, { kind, port, machine, echo }: BeaconMessage, { nonce, nowMs }: { nonce: Buffer; nowMs: number }): Buffer {
  const body = Buffer.alloc(bodyLength)
  body[at.version] = version
  body[at.kind] = kinds[kind]
  body.writeUInt16LE(port, at.port)
  body.writeUInt32LE(Math.floor(nowMs / 60_000), at.minute)
  if (machine !== undefined) Buffer.from(machine, 'base64url').copy(body, at.machine)
  echo?.copy(body, at.echo)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  return Buffer.concat([nonce, cipher.update(body), cipher.final(), cipher.getAuthTag()])
}

/** Undefined for what was not sealed by this group, within two days of `nowMs`. */
export function openBeacon(key: Buffer, bytes: Buffer, nowMs: number): (BeaconMessage & { readonly nonce: Buffer }) | undefined {
  if (bytes.length !== beaconLength) return undefined
  const nonce = bytes.subarray(0, nonceLength)
  const body = unseal(key, nonce, bytes)
  if (body === undefined || body[at.version] !== version) return undefined
  if (Math.abs(body.readUInt32LE(at.minute) - nowMs / 60_000) > skewMinutes) return undefined
  const kind = body[at.kind] === kinds.call ? 'call' : body[at.kind] === kinds.answer ? 'answer' : undefined
  const machine = body.subarray(at.machine, at.machine + noMachine.length)
  if (kind === undefined) return undefined
  return {
    kind, nonce, port: body.readUInt16LE(at.port), machine: machine.equals(noMachine) ? undefined : machineIdSchema.parse(machine.toString('base64url')),
    echo: kind === 'answer' ? body.subarray(at.echo, at.echo + nonceLength) : undefined,
  }
}

function unseal(key: Buffer, nonce: Buffer, bytes: Buffer): Buffer | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce)
  decipher.setAuthTag(bytes.subarray(-tagLength))
  const body = decipher.update(bytes.subarray(nonceLength, -tagLength))
  try {
    decipher.final()
  } catch {
    return undefined // a stranger's, or another group's
  }
  return body
}
