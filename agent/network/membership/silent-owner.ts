/** Whether an owner's machines are all silent, so that the holders of its shards repair in its place. */
import type { OwnerId } from '../../../shared/ids.ts'
import type { Membership } from './membership.ts'

/** Longer than a weekend; what is done then is done with patience, so that leave costs nothing. */
export const silentSeconds = 3 * 86_400

/** Also of an owner none of whose machines is a member any more: its data is needed for its recovery. */
export function isSilentOwner(membership: Pick<Membership, 'deviceOf' | 'liveness' | 'members' | 'self'>, owner: OwnerId): boolean {
  if (membership.deviceOf(owner, membership.self) !== undefined) return false
  return membership.members().filter(({ devices }) => devices.some((device) => device.owner === owner))
    .every(({ id, state }) => state === 'gone' || membership.liveness.silence(id) >= silentSeconds)
}
