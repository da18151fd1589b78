/** Who the admins are: keys stand in the network record, people and machines in the peer records that name such a key. */
import type { MachineId } from '../../../shared/ids.ts'
import type { PublicJwk } from '../../identity/jws.ts'
import { thumbprint } from '../../identity/machine.ts'
import type { Membership } from './membership.ts'

export interface Admin {
  /** Thumbprint of the key. */
  readonly id: string
  readonly jwk: PublicJwk
  /** The machines whose owner has the key; the key's id when no record names it. */
  readonly name: string
  readonly machines: readonly MachineId[]
  readonly isSelf: boolean
}

/** In order of rank. `own`: the admin key of this machine's owner. */
export function adminsOf(membership: Membership, own: PublicJwk | undefined): Admin[] {
  const ownId = own === undefined ? undefined : thumbprint(own)
  return membership.network.admins.map((jwk) => {
    const id = thumbprint(jwk)
    const records = [membership.own.peer?.record, ...membership.members().map(({ record }) => record)]
      .filter((record) => record?.adminKey !== undefined && thumbprint(record.adminKey) === id)
    const names = records.flatMap((record) => (record === undefined ? [] : [membership.nameOf(record.id)]))
    return {
      id, jwk, name: names.length > 0 ? names.join(', ') : `key ${id.slice(0, 8)}`, isSelf: id === ownId,
      machines: records.flatMap((record) => (record === undefined ? [] : [record.id])),
    }
  })
}
