/** Names of records in a roster (docs/format.md section 11). Ids are lower-case hex, because Windows and macOS fold case. */
import type { MachineId, OwnerId } from '../../../shared/ids.ts'

function hex(id: string): string {
  return Buffer.from(id, 'base64url').toString('hex')
}

function base64url(id: string): string {
  return Buffer.from(id, 'hex').toString('base64url')
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

/** An admin's approval of the machine that claimed the slot, beside its claim. */
export function grantName(invitation: string, slot: number, machine: MachineId): string {
  return `claims/${hex(invitation)}-${slot}-${hex(machine)}.jws`
}

export function isGrantName(name: string): boolean {
  return /^claims\/[0-9a-f]{64}-\d{1,4}-[0-9a-f]{64}\.jws$/.test(name)
}

export function headName(owner: OwnerId, machine: MachineId): string {
  return `heads/${hex(owner)}-${hex(machine)}.json`
}

/** The machine whose peer record has that name; undefined for other names. */
export function machineOfName(name: string): MachineId | undefined {
  const [, id] = /^peers\/([0-9a-f]{64})\.jws$/.exec(name) ?? []
  return id === undefined ? undefined : base64url(id) as MachineId
}

/** The device whose head has that name; undefined for other names. */
export function deviceOfName(name: string): { owner: OwnerId; machine: MachineId } | undefined {
  const [, owner, machine] = /^heads\/([0-9a-f]{64})-([0-9a-f]{64})\.json$/.exec(name) ?? []
  return owner === undefined || machine === undefined ? undefined : { owner: base64url(owner) as OwnerId, machine: base64url(machine) as MachineId }
}

/** Folders of a roster and the ending that the records in each have. */
export const recordFolders = { network: '.jws', peers: '.jws', claims: '.jws', heads: '.json' } as const
export type RecordFolder = keyof typeof recordFolders

/** UTF-8 bytes of one record, at most. */
export const maxRecordBytes = 65_536
/** What one roster may hold for one listing, so that a roster full of rubbish does not fill the memory. */
export const maxRecords = 20_000
export const maxListingBytes = 64 * 1024 * 1024

/** The folder and file name of a record. Throws TypeError for a name that no record has or a text that is too long. */
export function checkRecord(name: string, text = ''): { folder: RecordFolder; file: string } {
  const [, folder, file] = /^(network|peers|claims|heads)\/([0-9a-f-]{1,160}\.(?:jws|json))$/.exec(name) ?? []
  if (folder === undefined || file === undefined || !file.endsWith(recordFolders[folder as RecordFolder])) {
    throw new TypeError(`Cannot write to the roster: ${name} is no record name`)
  }
  if (Buffer.byteLength(text) > maxRecordBytes) throw new TypeError(`Cannot write to the roster: ${name} would be too long`)
  return { folder: folder as RecordFolder, file }
}

/** Whether somebody's record of that name may be read. */
export function isRecordName(name: string): boolean {
  return /^(?:(?:network|peers|claims)\/[^/]{1,200}\.jws|heads\/[^/]{1,200}\.json)$/.test(name)
}
