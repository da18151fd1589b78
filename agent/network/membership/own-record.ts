/** This machine's own peer record: written when its content changes or two thirds of its time are over, never as a heartbeat. */
import { HoldfastError } from '../../../shared/errors.ts'
import type { Machine } from '../../identity/machine.ts'
import type { Membership } from './membership.ts'
import { type PeerRecord, peerRecordSchema, recordTypes, sign } from './records.ts'

export const validSeconds = 30 * 86_400

export type OwnContent = Pick<PeerRecord, 'cert' | 'name' | 'host' | 'addrs' | 'offer' | 'owners' | 'state' | 'agent' | 'adminKey' | 'legacy'>

export interface OwnRecordOptions {
  readonly membership: Membership
  readonly machine: Machine
  readonly nowMs: number
  /** Makes the membership's state durable; runs before the new record is handed out, so that no seq is used twice. */
  readonly save: () => Promise<void>
}

/** The current own record, made anew when it has to be. Throws `not-a-member` when nothing let this machine in yet. */
export async function renewOwnRecord(content: OwnContent, options: OwnRecordOptions): Promise<{ jws: string; renewed: boolean }> {
  const { membership, machine, nowMs, save } = options
  const { admission, inst, peer, seq } = membership.own
  if (admission === undefined) throw new HoldfastError('not-a-member', 'Cannot make the peer record: nothing let this machine in')
  const iat = Math.floor(nowMs / 1000)
  const record: PeerRecord = {
    v: 1, net: membership.net, id: machine.id, jwk: machine.jwk, kx: machine.exchangeJwk, ...content, seq: seq + 1, inst,
    admission, iat, exp: iat + validSeconds,
  }
  if (peer !== undefined && isFresh(peer.record, iat) && sameContent(peer.record, record)) return { jws: peer.jws, renewed: false }
  const jws = await sign(recordTypes.peer, peerRecordSchema, record, machine)
  await membership.adoptOwn(jws)
  await save()
  return { jws, renewed: true }
}

/** A clock that was set back makes the record look as if from the future: then it is written anew as well. */
function isFresh(record: PeerRecord, now: number): boolean {
  return now < record.iat + (record.exp - record.iat) * 2 / 3 && now > record.iat - 86_400
}

function sameContent(a: PeerRecord, b: PeerRecord): boolean {
  const contentOf = (record: PeerRecord): string => JSON.stringify(peerRecordSchema.parse({ ...record, seq: 1, iat: 0, exp: 0 }))
  return contentOf(a) === contentOf(b)
}
