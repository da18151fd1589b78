/** What dispersal needs to know about peers, and nothing more: who there is, who answers, and a ShardStore for each. */
import type { MachineId } from '../../shared/ids.ts'
import type { ShardStore } from './shard-store/port.ts'

export interface Peer {
  readonly id: MachineId
  readonly name: string
  /** What counts as one machine in placement: two agents of one host share it. */
  readonly host: string
  readonly state: 'online' | 'away' | 'doubtful' | 'gone'
  /** Seconds since anybody heard of it; infinite when it left, was replaced or is gone by an admin's word. Left out: what the state says at least. */
  readonly silentSeconds?: number | undefined
  /** It is about to leave: nothing new goes there. */
  readonly isLeaving?: boolean | undefined
  /** Bytes that it offers to the group, from its record. */
  readonly offer: number
  /** Share of the last weeks in which it answered, 0 to 1, when gossip knows it. */
  readonly onlineShare?: number | undefined
  /** Who uses it, and where it stands in the network: placement spreads over both when they are known. */
  readonly user?: string | undefined
  readonly subnet?: string | undefined
}

/**
 * Duties: list() holds no own machine and changes with gossip; find() is the one of them with that id, and costs the same however
 * many there are. connect() dials or returns the open link,
 * rejects `peer-unreachable`, `unauthorized` or `revoked`; concurrent calls share one dial. The ShardStore stays usable
 * over reconnects: a call on a broken link dials anew once, then rejects `peer-unreachable`.
 */
export interface Peers {
  list(): readonly Peer[]
  find(id: MachineId): Peer | undefined
  connect(id: MachineId, options?: { signal?: AbortSignal | undefined }): Promise<ShardStore>
}

/** It is off, and not for so long (21 days) that what it has counts as gone. */
export function isWaitedFor(peer: Peer | undefined): boolean {
  return peer !== undefined && peer.state !== 'gone'
}

/** It is off, if for very long; it did not leave, and nobody took its place or gave it up. */
export function mayComeBack(peer: Peer | undefined): boolean {
  return peer !== undefined && (peer.silentSeconds ?? (peer.state === 'gone' ? Infinity : 0)) < Infinity
}
