/**
 * Where shards go and what their places are worth: pure functions of their arguments.
 * A holder set is chosen once for an owner, not for each object: with many objects on random sets some four machines
 * would always be all that one object had (copysets, Cidon et al. 2013). Protection is judged by a maximum matching of
 * shards to distinct hosts, so two shards on one machine, or one shard on two, never count twice.
 */
import { createHash } from 'node:crypto'
import type { MachineId, OwnerId } from '../../shared/ids.ts'
import type { Redundancy } from './redundancy.ts'

export interface Candidate {
  readonly id: MachineId
  /** What counts as one machine. */
  readonly host: string
  readonly user?: string | undefined
  readonly subnet?: string | undefined
  /** Bytes that it can still take. */
  readonly free: number
  /** Share of the time in which it answers, 0 to 1. */
  readonly onlineShare: number
  /** What audits say of it, 0 to 1; 1 without it. */
  readonly score?: number | undefined
}

export interface Protection {
  readonly state: 'protected' | 'partial' | 'unprotected'
  /** Shards that lie on distinct machines, by maximum matching. */
  readonly placed: number
  readonly wanted: number
  /** Machines that may still be lost with the object readable: at least so many. */
  readonly survives: number
}

const sharedSubnetFactor = 0.5
const sharedUserFactor = 0.5

/**
 * Up to `count` machines on distinct hosts. `keep` (the set so far) stays, in its order, as far as it is among the
 * candidates; the rest is drawn by weighted rendezvous (weight: free space times the squares of online share and score), a
 * subnet or user that is there already halving the weight. Never all in one subnet when another has room.
 */
export function chooseHolders(owner: OwnerId, candidates: readonly Candidate[], options: { count: number; keep?: readonly MachineId[] }): MachineId[] {
  const byId = new Map(candidates.map((candidate) => [candidate.id, candidate]))
  const chosen: Candidate[] = []
  for (const id of options.keep ?? []) {
    const kept = byId.get(id)
    if (kept !== undefined && chosen.length < options.count && isNewHost(kept, chosen)) chosen.push(kept)
  }
  const kept = chosen.length
  while (chosen.length < options.count) {
    const next = best(owner, candidates.filter((candidate) => isNewHost(candidate, chosen)), chosen)
    if (next === undefined) break
    chosen.push(next)
  }
  if (chosen.length > kept) spreadSubnets(owner, candidates, chosen)
  return chosen.map(({ id }) => id)
}

/**
 * The set so far with a machine that joined since: when the lots would choose it had nobody been chosen yet, it takes the
 * place of a member that they would not choose. So load comes to who joins, a little from each owner, and a set changes no
 * more often than the group grows.
 */
export function admitNewcomer(owner: OwnerId, candidates: readonly Candidate[], { keep, newcomers }: { keep: readonly MachineId[]; newcomers: readonly MachineId[] }): readonly MachineId[] {
  const ideal = chooseHolders(owner, candidates, { count: keep.length })
  const newcomer = ideal.find((id) => newcomers.includes(id) && !keep.includes(id))
  const leaving = keep.findLast((id) => !ideal.includes(id))
  return newcomer === undefined || leaving === undefined ? keep : keep.map((id) => (id === leaving ? newcomer : id))
}

function isNewHost(candidate: Candidate, chosen: readonly Candidate[]): boolean {
  return chosen.every(({ host, id }) => host !== candidate.host && id !== candidate.id)
}

function best(owner: OwnerId, candidates: readonly Candidate[], chosen: readonly Candidate[]): Candidate | undefined {
  let first: { candidate: Candidate; score: number } | undefined
  for (const candidate of candidates) {
    const score = scoreOf(owner, candidate, chosen)
    if (first === undefined || score > first.score || (score === first.score && candidate.id < first.candidate.id)) first = { candidate, score }
  }
  return first?.candidate
}

/** Weighted rendezvous: −w / ln(u), u drawn from the hash of owner and machine. */
function scoreOf(owner: OwnerId, candidate: Candidate, chosen: readonly Candidate[]): number {
  const hash = createHash('sha256').update(`${owner}\n${candidate.id}`).digest()
  const lot = (hash.readUIntBE(0, 6) + 1) / (2 ** 48 + 1)
  const sameSubnet = chosen.filter(({ subnet }) => subnet !== undefined && subnet === candidate.subnet).length
  const sameUser = chosen.filter(({ user }) => user !== undefined && user === candidate.user).length
  const weight = Math.max(candidate.free, 1) * Math.max(candidate.onlineShare, 0.01) ** 2 * Math.max(candidate.score ?? 1, 0.01) ** 2
  return -(weight * sharedSubnetFactor ** sameSubnet * sharedUserFactor ** sameUser) / Math.log(lot)
}

/** Gives the last place to another subnet when all chosen share one. */
function spreadSubnets(owner: OwnerId, candidates: readonly Candidate[], chosen: Candidate[]): void {
  const [first] = chosen
  if (chosen.length < 2 || first?.subnet === undefined || chosen.some(({ subnet }) => subnet !== first.subnet)) return
  const others = candidates.filter((candidate) => candidate.subnet !== undefined && candidate.subnet !== first.subnet
    && candidate.free > 0 && isNewHost(candidate, chosen.slice(0, -1)))
  const other = best(owner, others, chosen)
  if (other !== undefined) chosen[chosen.length - 1] = other
}

/** Where one shard lies: `host` is what counts as one machine. */
export interface Place {
  readonly number: number
  readonly host: string
}

/**
 * Maximum bipartite matching of shard numbers to hosts by augmenting paths (Kuhn; O(V·E), n is at most 255).
 * Returns host by shard number.
 */
export function matchShards(places: Iterable<Place>): Map<number, string> {
  const hostsOf = new Map<number, Set<string>>()
  for (const { number, host } of places) hostsOf.set(number, (hostsOf.get(number) ?? new Set<string>()).add(host))
  const numberOn = new Map<string, number>()
  const settle = (number: number, tried: Set<string>): boolean => {
    for (const host of hostsOf.get(number) ?? []) {
      if (tried.has(host)) continue
      tried.add(host)
      const holder = numberOn.get(host)
      if (holder !== undefined && !settle(holder, tried)) continue
      numberOn.set(host, number)
      return true
    }
    return false
  }
  for (const number of hostsOf.keys()) settle(number, new Set())
  return new Map([...numberOn].map(([host, number]) => [number, host]))
}

/**
 * The verdict on one object. `wasGreen`: all n once lay on distinct machines; only then the table's lower number counts.
 */
export function judge(redundancy: Redundancy, places: Iterable<Place>, wasGreen: boolean): Protection {
  const { k, n, green } = redundancy
  const placed = matchShards([...places].filter(({ number }) => number < n)).size
  const isGreen = green !== null && (placed >= n || (wasGreen && placed >= green))
  return {
    state: isGreen ? 'protected' : placed >= k ? 'partial' : 'unprotected',
    placed, wanted: n, survives: Math.max(0, placed - k),
  }
}
