/** Names of records in a roster (docs/format.md section 11). Ids are lower-case hex, because Windows and macOS fold case. */
import type { MachineId, OwnerId } from '../../../shared/ids.ts'

function hex(id: string): string {
  return Buffer.from(id, 'base64url').toString('hex')
}

/** `sha256` names a second record of the same epoch. */
export function networkName(epoch: number, sha256?: string): string {
  return `network/${String(epoch).padStart(6, '0')}${sha256 === undefined ? '' : `-${sha256.slice(0, 16)}`}.jws`
}

export function peerName(id: MachineId): string {
  return `peers/${hex(id)}.jws`
}

export function claimName(invitation: string, slot: number): string {
  return `claims/${hex(invitation)}-${slot}.jws`
}

export function headName(owner: OwnerId, machine: MachineId): string {
  return `heads/${hex(owner)}-${hex(machine)}.json`
}
