/**
 * How admins change a work group: each change is the next epoch of the network record, signed by one of them and taken in
 * here; publishing it is roster sync's and gossip's. Whether it counts is judged by membership/ on every machine.
 */
import { HoldfastError } from '../../shared/errors.ts'
import type { MachineId } from '../../shared/ids.ts'
import type { PublicJwk } from '../identity/jws.ts'
import { thumbprint } from '../identity/machine.ts'
import type { Policy } from './founding.ts'
import type { Membership } from './membership/membership.ts'
import { type KeySigner, type NetworkRecord, type Revocation, networkRecordSchema, recordTypes, sign } from './membership/records.ts'

const maxAdmins = 16
const maxLost = 200

export type NetworkChange = Partial<Policy & Pick<NetworkRecord, 'admins' | 'revoked' | 'rosters' | 'schedule' | 'lost'>>

export interface Governing {
  readonly membership: Membership
  readonly admin: KeySigner
  readonly nowMs: number
}

/**
 * Returns the new record. `revoked` names only what is revoked anew. Throws `unauthorized` when the key is not an admin's
 * of the current epoch, `invalid-input` for a change that leaves no admin.
 */
export async function changeNetwork(change: NetworkChange, { membership, admin, nowMs }: Governing): Promise<string> {
  const { current } = membership.chain
  const { network } = membership
  if (current === undefined || !membership.chain.isAdmin(admin.jwk)) throw new HoldfastError('unauthorized', 'Cannot change the work group: this key is not an admin\'s')
  const revoked = change.revoked ?? []
  const admins = (change.admins ?? network.admins).filter((jwk) => !revoked.some(({ id }) => id === thumbprint(jwk)))
  if (admins.length === 0) throw new HoldfastError('invalid-input', 'Cannot change the work group: it would have no admin left; add another one first')
  const jws = await sign(recordTypes.network, networkRecordSchema, {
    ...network, ...change, revoked, admins, by: admin.jwk, epoch: network.epoch + 1, net: membership.net, prev: current.sha256,
    time: new Date(nowMs).toISOString(),
  }, admin)
  await membership.ingest([jws], { kind: 'self', name: membership.self })
  return jws
}

/** Revokes an invitation or an admin key, but keeps the machines that came in by it so far (the first 200). */
export function revokeKeeping(id: string, membership: Membership, { nowMs, why }: { readonly nowMs: number; readonly why: string }): Revocation {
  const keep = membership.admittedBy(id).slice(0, 200)
  return { id, at: Math.floor(nowMs / 1000), why, keep }
}

/**
 * A machine for good, and the admin key of its owner with it when it is one. The machines that its owner brought in for it by
 * recovering stay: they are why it is shut out.
 */
export function machineRevocation(machine: MachineId, membership: Membership, { nowMs, why }: { readonly nowMs: number; readonly why: string }): Revocation[] {
  const key = membership.peers.get(machine)?.record.adminKey
  const isAdmin = key !== undefined && membership.chain.isAdmin(key)
  const keep = membership.replacedBy(machine).slice(0, 200)
  return [{ id: machine, at: Math.floor(nowMs / 1000), why, ...(keep.length > 0 && { keep }) }, ...(isAdmin ? [withoutKept(revokeKeeping(thumbprint(key), membership, { nowMs, why }), machine)] : [])]
}

function withoutKept(revocation: Revocation, machine: MachineId): Revocation {
  return { ...revocation, keep: revocation.keep?.filter((id) => id !== machine) }
}

/** Behind those that there are. Throws `already-exists`, or `invalid-input` for a key that was taken away before. */
export function withAdmin(jwk: PublicJwk, { network, chain }: Membership): PublicJwk[] {
  if (chain.isAdmin(jwk)) throw new HoldfastError('already-exists', 'Cannot add the admin: it is one already')
  if (chain.revocation(thumbprint(jwk)) !== undefined) throw new HoldfastError('invalid-input', 'Cannot add the admin: its key was taken away before, which is for good; its owner can join anew as somebody else')
  if (network.admins.length >= maxAdmins) throw new HoldfastError('invalid-input', `Cannot add the admin: there are ${maxAdmins} already`)
  return [...network.admins, jwk]
}

/** The list of machines that count as gone, with one more or one less. */
export function withLost(machine: MachineId, { network }: Membership, { lost, nowMs }: { readonly lost: boolean; readonly nowMs: number }): NonNullable<NetworkRecord['lost']> {
  const others = (network.lost ?? []).filter(({ id }) => id !== machine)
  return lost ? [...others, { id: machine, at: Math.floor(nowMs / 1000) }].slice(-maxLost) : others
}
