/**
 * How a machine comes into a work group: by founding it, by an invitation, or for one that its owner lost. All of it is
 * records; who may do what is judged by membership/ on every machine. How admins change a group: governing.ts.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { counted } from '../../shared/counted.ts'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import type { MachineId, NetworkId } from '../../shared/ids.ts'
import type { OwnerRoot } from '../identity/owner.ts'
import { makeClaim, parseInvitation } from './membership/invitation.ts'
import { Membership } from './membership/membership.ts'
import {
  type Admission, type KeySigner, type NetworkRecord, admitGrantSchema, networkIdOf, networkRecordSchema, recordTypes,
  replaceGrantSchema, sign, verifyClaim, verifyNetwork,
} from './membership/records.ts'
import { claimName, isGrantName, networkName } from './roster/names.ts'
import type { Roster, RosterRecord } from './roster/port.ts'

export interface Clocks {
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds that never go back. */
  readonly monotonic: () => number
}

export type Policy = Pick<NetworkRecord, 'name' | 'redundancy' | 'minFree' | 'admission'>

export interface FoundOptions extends Clocks {
  readonly machine: MachineId
  readonly admin: KeySigner
  readonly rosters: readonly Roster[]
  readonly attempts?: FoundingAttempts | undefined
  readonly signal?: AbortSignal | undefined
}

/** Remembers what this machine began to found: a network that ends after the record was written leaves a group without members. */
export interface FoundingAttempts {
  /** The network records of groups that were not entered. */
  records(): readonly string[]
  /** Called before the record is written to a roster. */
  add(jws: string): void
  /** The group was entered. */
  clear(): void
}

/** Longer than a record needs to be written, or removed, and seen by who asks next. */
const settleMs = 1000
const maxAttempts = 3

/**
 * Founds a group: epoch 1, written to every roster, and a grant for the founder's machine. Throws `already-exists` when a
 * roster holds a group already, `roster-unavailable` when one cannot be written.
 */
export async function createNetwork(policy: Policy, options: FoundOptions): Promise<Membership> {
  const { machine, admin, rosters, now, monotonic, attempts, signal } = options
  for (const roster of rosters) await refuseOccupied(roster, { attempts, signal })
  const jws = await sign(recordTypes.network, networkRecordSchema, {
    ...policy, v: 1, by: admin.jwk, epoch: 1, admins: [admin.jwk], revoked: [], rosters: rosters.map((roster) => roster.locator),
    time: new Date(now()).toISOString(),
  }, admin)
  attempts?.add(jws)
  for (const roster of rosters) await takePlace(jws, roster, signal)
  const membership = new Membership({ net: networkIdOf(jws), self: machine, now, monotonic })
  await membership.ingest([jws], { kind: 'self', name: machine })
  membership.setAdmission(await admitMachine(machine, { net: membership.net, admin, nowMs: now() }))
  return membership
}

/** What an earlier attempt left there goes away, as long as nothing else lies there: nobody can be in that group. */
async function refuseOccupied(roster: Roster, { attempts, signal }: Pick<FoundOptions, 'attempts' | 'signal'>): Promise<void> {
  const { records } = await roster.list(undefined, { signal })
  const [first, ...more] = records
  if (first === undefined) return
  if (more.length === 0 && attempts?.records().includes(first.text.trim()) === true) await roster.remove(first.name, { signal })
  else if ((await networksOf(records)).length > 0) throw occupied(roster)
}

async function networksOf(records: readonly RosterRecord[]): Promise<RosterRecord[]> {
  const named = records.filter(({ name }) => name.startsWith('network/')).map(({ name, text }) => ({ name, text: text.trim() }))
  const isOne = await Promise.all(named.map(({ text }) => isNetwork(text)))
  return named.filter((_, index) => isOne[index])
}

async function takePlace(jws: string, roster: Roster, signal: AbortSignal | undefined): Promise<void> {
  const rivals = async (records: readonly RosterRecord[]) => (await networksOf(records)).filter(({ text }) => text !== jws).map(({ text }) => text)
  const isBeside = (name: string) => name.startsWith('network/')
  if (!await createAlone({ roster, name: networkName(1), text: jws, isBeside, rivals, signal })) throw occupied(roster)
}

interface Placing {
  readonly roster: Roster
  readonly name: string
  readonly text: string
  /** Names of records that may be rivals; no others are read. */
  readonly isBeside: (name: string) => boolean
  /** The texts of others that stand where this record wants to stand alone. */
  readonly rivals: (records: readonly RosterRecord[]) => Promise<string[]>
  readonly signal: AbortSignal | undefined
}

/**
 * True when the record stands there alone; false when somebody else's stands there, and none of ours.
 *
 * Some places create one name twice (below two computer objects, in two copies of a library). So whoever sees another's
 * record beside its own takes its own away, and tries again after a pause that grows with the record's rank, unless one of
 * them stayed. Who saw none has it: all that come later see its record. A place may also have taken the record though its
 * answer was lost, and then says of the second attempt that it exists; or show only later what it said that it created.
 */
async function createAlone({ roster, name, text, isBeside, rivals, signal }: Placing): Promise<boolean> {
  const look = async () => {
    const records = (await roster.list(undefined, { signal, wanted: isBeside })).records.filter((record) => isBeside(record.name))
    const named = records.filter((record) => record.name === name)
    return { others: await rivals(records), isOurs: named.some((record) => record.text.trim() === text), isFree: named.length === 0 }
  }
  for (let attempt = 1; ; attempt++) {
    const isCreated = await roster.createOnce(name, text, { signal }) === 'created'
    let seen = await look()
    if (isCreated && !seen.isOurs && seen.others.length > 0) {
      await delay(settleMs, undefined, { signal })
      seen = await look()
    }
    if (seen.others.length === 0 && (isCreated || seen.isOurs)) return true
    const isTheirs = !seen.isOurs && !seen.isFree // what would be removed by this name is another's that took the place of ours
    if (isTheirs || !(isCreated || seen.isOurs)) return false
    await roster.remove(name, { signal })
    await delay(settleMs * (1 + seen.others.filter((other) => other < text).length), undefined, { signal })
    if (attempt === maxAttempts || (await look()).others.length > 0) return false
  }
}

async function isNetwork(jws: string): Promise<boolean> {
  try {
    await verifyNetwork(jws)
    return true
  } catch (error) {
    if (hasCode(error, 'format-unknown')) return true
    if (hasCode(error, 'record-invalid')) return false
    throw error
  }
}

function occupied(roster: Roster): HoldfastError {
  return new HoldfastError('already-exists', `Cannot found a work group in ${roster.locator}: it holds one already; join it, or use another folder`)
}

/** An admin's grant for one machine: the founder's own, or the approval that an invitation asks for. */
export async function admitMachine(machine: MachineId, by: { readonly net: NetworkId; readonly admin: KeySigner; readonly nowMs: number }): Promise<Admission & { by: 'admin' }> {
  const { net, admin, nowMs } = by
  const grant = await sign(recordTypes.admit, admitGrantSchema, { v: 1, by: admin.jwk, net, machine, iat: Math.floor(nowMs / 1000) }, admin)
  return { by: 'admin', grant }
}

export interface JoinOptions extends Clocks {
  readonly machine: MachineId
  /** Opened from the locators of the parsed invitation, as far as they could be. */
  readonly rosters: readonly Roster[]
  /** Records from elsewhere (a peer that the invitation names), for when no roster answers. */
  readonly records?: readonly string[]
  readonly signal?: AbortSignal | undefined
}

/**
 * Joins by an invitation string: reads the group's records, claims a free slot, sets the admission. The caller then makes
 * and publishes the peer record. Throws `invitation-invalid` (mangled, expired, revoked, used up, not by an admin), `revoked` (an admin shut this machine out) or
 * `roster-unavailable` when the group's record was found nowhere.
 */
export async function joinNetwork(text: string, options: JoinOptions): Promise<Membership> {
  const { machine, rosters, now, monotonic, signal } = options
  const parsed = await parseInvitation(text, now())
  const membership = new Membership({ net: parsed.net, self: machine, now, monotonic })
  if (parsed.settled !== undefined) membership.chain.settle(parsed.settled)
  const { listings, problems } = await readRosters(rosters, membership, signal)
  await membership.ingest(options.records ?? [], { kind: 'member', name: parsed.invitation.id })
  if (membership.chain.current === undefined) {
    const [first] = problems
    const signIn = problems.map(({ details }) => details['signIn']).find((locator) => locator !== undefined)
    throw new HoldfastError('roster-unavailable', `Cannot join ${parsed.name}: its record was found in none of ${rosters.length} rosters${first === undefined ? '' : ` (${first.message})`}`, {
      details: { rosters: rosters.map((roster) => roster.locator), ...(signIn === undefined ? {} : { signIn }) }, cause: first,
    })
  }
  if (membership.isRevoked(machine)) throw new HoldfastError('revoked', `Cannot join ${parsed.name}: an admin shut this machine's key out for good; join with another --home, which has a key of its own`)
  if (membership.isRevoked(parsed.invitation.id)) throw refusedInvitation('an admin revoked it')
  if (!membership.chain.mayAdmit(parsed.invitation.by, machine)) throw refusedInvitation('it was not made by an admin of the work group')
  const claim = await claimSlot(parsed, { machine, membership, listings, nowMs: now(), signal })
  membership.setAdmission({ by: 'invitation', invitation: parsed.jws, claim })
  return membership
}

interface Listing { readonly roster: Roster; readonly records: readonly RosterRecord[] }

async function readRosters(rosters: readonly Roster[], membership: Membership, signal: AbortSignal | undefined): Promise<{ listings: Listing[]; problems: HoldfastError[] }> {
  const listings: Listing[] = []
  const problems: HoldfastError[] = []
  for (const roster of rosters) {
    try {
      const { records } = await roster.list(undefined, { signal })
      listings.push({ roster, records })
      const signed = records.filter(({ name }) => name.startsWith('network/') || name.startsWith('peers/')).map(({ text }) => text.trim())
      await membership.ingest(signed, { kind: 'roster', name: roster.locator })
    } catch (error) {
      if (!hasCode(error, 'roster-unavailable')) throw error
      problems.push(error)
    }
  }
  return { listings, problems }
}

interface ClaimContext {
  readonly machine: MachineId
  readonly membership: Membership
  readonly listings: readonly Listing[]
  readonly nowMs: number
  readonly signal: AbortSignal | undefined
}

/** The slot of an earlier attempt, or the first free one. With no roster to settle it, first sight by the peers does. */
async function claimSlot(parsed: Awaited<ReturnType<typeof parseInvitation>>, context: ClaimContext): Promise<string> {
  const { machine, membership, listings, nowMs } = context
  const { id, count } = parsed.invitation
  const own = await earlierClaim(id, context)
  if (own !== undefined) return own
  for (let slot = 1; slot <= count; slot++) {
    const holder = membership.slotHolder(id, slot)
    if (holder !== undefined && holder !== machine) continue
    if (listings.some(({ records }) => records.some(({ name }) => name === claimName(id, slot)))) continue
    const claim = await makeClaim(parsed, slot, machine, nowMs)
    if (await claimEverywhere(claimName(id, slot), claim, context)) return claim
  }
  throw refusedInvitation(`it is used up: it was for ${counted(count, 'machine')}`)
}

async function earlierClaim(invitation: string, { listings, machine }: ClaimContext): Promise<string | undefined> {
  const candidates = listings.flatMap(({ records }) => records.filter(({ name }) => name.startsWith('claims/')).map(({ text }) => text.trim()))
  for (const jws of candidates) {
    try {
      const claim = await verifyClaim(jws)
      if (claim.invitation === invitation && claim.machine === machine) return jws
    } catch (error) {
      if (!hasCode(error, 'record-invalid', 'format-unknown')) throw error
    }
  }
  return undefined
}

/** False when somebody else has the slot. The first roster that answers decides; the others get a copy. */
async function claimEverywhere(name: string, claim: string, { listings, signal }: ClaimContext): Promise<boolean> {
  let decided = false
  for (const { roster } of listings) {
    try {
      if (decided) await roster.createOnce(name, claim, { signal })
      else if (!await createAlone({ roster, name, text: claim, isBeside: (other) => isOfSlot(name, other), rivals: async (records) => othersThan(claim, records), signal })) return false
      decided = true
    } catch (error) {
      if (!hasCode(error, 'roster-unavailable')) throw error
    }
  }
  return true
}

/** A claim of the slot that `name` is of, copies with another ending of their name among them. */
function isOfSlot(name: string, other: string): boolean {
  const slot = name.slice(0, -'.jws'.length)
  return other.startsWith(slot) && !/^\d/.test(other.slice(slot.length)) && !isGrantName(other)
}

function othersThan(text: string, records: readonly RosterRecord[]): string[] {
  return records.map((record) => record.text.trim()).filter((other) => other !== text)
}

function refusedInvitation(state: string): HoldfastError {
  return new HoldfastError('invitation-invalid', `Cannot use the invitation: ${state}`, { details: { state } })
}

export interface Replacement {
  readonly net: NetworkId
  readonly machine: MachineId
  /** The machine that was lost: a member that carried a certificate of this owner. */
  readonly old: MachineId
  /** The epoch of the new device certificate. */
  readonly epoch: number
  readonly nowMs: number
}

/** Lets a recovered machine in by the owner's own word. */
export async function replaceMachine({ net, machine, old, epoch, nowMs }: Replacement, owner: OwnerRoot): Promise<Admission & { by: 'owner' }> {
  const grant = await sign(recordTypes.replace, replaceGrantSchema,
    { v: 1, net, owner: owner.id, root: owner.jwk, machine, old, epoch, iat: Math.floor(nowMs / 1000) }, owner)
  return { by: 'owner', grant }
}
