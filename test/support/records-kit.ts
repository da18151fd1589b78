/** Real keys and signed records of a small work group, with a clock that the test moves. */
import { generateWords, ownerFromWords, type OwnerRoot } from '../../agent/identity/owner.ts'
import { type Machine, generateMachine } from '../../agent/identity/machine.ts'
import { issueDeviceCertificate } from '../../agent/identity/device.ts'
import { signRecord } from '../../agent/identity/jws.ts'
import { admitMachine } from '../../agent/network/founding.ts'
import { makeClaim, makeInvitation, parseInvitation } from '../../agent/network/membership/invitation.ts'
import { Membership } from '../../agent/network/membership/membership.ts'
import {
  type Admission, type KeySigner, type NetworkRecord, type PeerRecord, networkIdOf, networkRecordSchema, peerRecordSchema,
  recordTypes, sha256Of, sign,
} from '../../agent/network/membership/records.ts'
import { makeCertificate } from '../../agent/network/peer/certificate.ts'
import type { NetworkId } from '../../shared/ids.ts'

export const day = 86_400
export const startMs = 1_800_000_000_000

export class TestClock {
  wallMs = startMs
  steadyMs = 0
  readonly now = (): number => this.wallMs
  readonly monotonic = (): number => this.steadyMs

  advance(seconds: number): void {
    this.wallMs += seconds * 1000
    this.steadyMs += seconds * 1000
  }
}

export interface TestMachine extends Machine { readonly cert: string }

export async function newMachine(): Promise<TestMachine> {
  const machine = generateMachine()
  return { ...machine, cert: await makeCertificate(machine) }
}

export function newOwner(): OwnerRoot {
  return ownerFromWords(generateWords())
}

/** A group of one admin, and what signs its records. */
export interface TestGroup {
  readonly net: NetworkId
  readonly admin: KeySigner
  readonly epoch1: string
}

export async function newGroup(admin: KeySigner = newOwner().admin, change: Partial<NetworkRecord> = {}): Promise<TestGroup> {
  const epoch1 = await sign(recordTypes.network, networkRecordSchema, {
    v: 1, by: admin.jwk, epoch: 1, name: 'group', redundancy: 'auto', minFree: 0.1, admission: 'open', admins: [admin.jwk],
    revoked: [], rosters: [], time: new Date(startMs).toISOString(), ...change,
  }, admin)
  return { net: networkIdOf(epoch1), admin, epoch1 }
}

/** The epoch after `prev`, signed by anybody. */
export async function nextEpoch(prev: string, admin: KeySigner, change: Partial<NetworkRecord> & { net: NetworkId; epoch: number }): Promise<string> {
  return await sign(recordTypes.network, networkRecordSchema, {
    v: 1, by: admin.jwk, prev: sha256Of(prev), name: 'group', redundancy: 'auto', minFree: 0.1, admission: 'open',
    admins: [admin.jwk], revoked: [], rosters: [], time: new Date(startMs).toISOString(), ...change,
  }, admin)
}

export async function peerRecord(group: Pick<TestGroup, 'net'>, machine: TestMachine, change: Partial<PeerRecord> & { admission: Admission }): Promise<string> {
  const iat = startMs / 1000
  return await sign(recordTypes.peer, peerRecordSchema, {
    v: 1, net: group.net, id: machine.id, jwk: machine.jwk, kx: machine.exchangeJwk, cert: machine.cert, seq: 1,
    inst: `inst-${machine.id.slice(0, 8)}`, name: machine.id.slice(0, 8), host: `test:${machine.id.slice(0, 8)}`,
    addrs: [{ host: '127.0.0.1', port: 4000 }], offer: { bytes: 1e9, minFree: 0.1 }, owners: [], state: 'on', agent: '0.1.0',
    iat, exp: iat + 30 * day, ...change,
  }, machine)
}

/** A record of a machine that the admin let in. */
export async function admitted(group: TestGroup, machine: TestMachine, change: Partial<PeerRecord> = {}): Promise<string> {
  const admission = await admitMachine(machine.id, { net: group.net, admin: group.admin, nowMs: startMs })
  return await peerRecord(group, machine, { admission, ...change })
}

export async function invite(group: TestGroup, { count = 2, days = 7, approval = false, admin = group.admin } = {}): Promise<{ text: string; id: string }> {
  return await makeInvitation({
    net: group.net, name: 'group', count, validMs: days * day * 1000, nowMs: startMs, approval, rosters: ['folder:/share'], peers: [],
  }, admin)
}

/** Admission by slot `slot` of the invitation string, claimed at `iatMs`. */
export async function claimed(text: string, machine: TestMachine, { slot = 1, iatMs = startMs } = {}): Promise<Admission & { by: 'invitation' }> {
  const parsed = await parseInvitation(text, startMs)
  return { by: 'invitation', invitation: parsed.jws, claim: await makeClaim(parsed, slot, machine.id, iatMs) }
}

export function newMembership(group: Pick<TestGroup, 'net'>, self: TestMachine, clock = new TestClock()): Membership {
  return new Membership({ net: group.net, self: self.id, now: clock.now, monotonic: clock.monotonic })
}

export async function headOf(owner: OwnerRoot, machine: TestMachine, { epoch = 1, seq = 1, note = '' } = {}): Promise<{ certificate: string; head: string }> {
  return {
    certificate: await issueDeviceCertificate(owner, machine, epoch, startMs),
    head: await signRecord(recordTypes.head, { v: 1, owner: owner.id, machine: machine.id, epoch, seq, note }, machine),
  }
}
