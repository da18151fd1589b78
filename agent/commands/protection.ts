/**
 * How well everything that the newest head keeps alive is protected: the worst verdict over its objects. Whoever asks for more
 * than one verdict looks the places up once: there are tens of thousands of objects after years.
 */
import type { Protection } from '../../shared/api.ts'
import type { MachineId } from '../../shared/ids.ts'
import type { HolderSet } from '../network/membership/holder-sets.ts'
import type { PlacedObject } from '../network/placement-index.ts'
import { matchShards } from '../network/placement.ts'
import type { Backup } from './context.ts'

const rank = { unprotected: 0, partial: 1, protected: 2 } as const

/** What is known of each object that the newest head keeps alive. */
export type LivePlaces = readonly (PlacedObject | undefined)[]

export function livePlacesOf({ dispersal, repository }: Pick<Backup, 'dispersal' | 'repository'>): LivePlaces {
  return (repository.head?.live ?? []).map(({ id }) => dispersal.index.find(id))
}

export function protectionOf(services: Backup, places: LivePlaces = livePlacesOf(services)): Protection {
  const { dispersal } = services
  const level = dispersal.redundancy()
  let worst: Protection | undefined
  for (const known of places) {
    const verdict: Protection = known === undefined ? nothing(level.n) : dispersal.protectionOf(known)
    if (worst === undefined) worst = verdict
    else {
      worst = {
        state: rank[verdict.state] < rank[worst.state] ? verdict.state : worst.state,
        ...(verdict.wanted - verdict.placed > worst.wanted - worst.placed ? { placed: verdict.placed, wanted: verdict.wanted } : { placed: worst.placed, wanted: worst.wanted }),
        survives: Math.min(verdict.survives, worst.survives),
      }
    }
  }
  return worst ?? nothing(level.n)
}

export interface Reach {
  /** Machines that hold the worst placed object and answer now, of those that acknowledged it. */
  readonly have: number
  readonly placed: number
  readonly need: number
}

/** Whether everything could be restored now, from `reachable` machines alone: of the object with the least to spare. */
export function reachNow({ dispersal }: Backup, places: LivePlaces, reachable: ReadonlySet<MachineId>): Reach | undefined {
  let worst: Reach | undefined
  for (const known of places) {
    if (known === undefined) continue
    const reach = { have: matchShards(dispersal.placesOf(known, { reachable })).size, placed: matchShards(dispersal.placesOf(known)).size, need: known.k }
    if (worst === undefined || reach.have - reach.need < worst.have - worst.need) worst = reach
  }
  return worst
}

/** On which machines the objects are, each set once: a shard on each, on hosts of their own. */
export function holderSetsOf({ dispersal }: Pick<Backup, 'dispersal'>, places: LivePlaces): HolderSet[] {
  const sets = new Map<string, HolderSet>()
  const seen = new Set<string>()
  for (const known of places) {
    const key = known === undefined ? '' : `${known.k}/${known.n} ${known.shards.map(({ number, machine }) => `${number}:${machine}`).join(' ')}`
    if (seen.has(key)) continue // of tens of thousands of objects most lie alike
    seen.add(key)
    const { k, n } = known ?? dispersal.redundancy()
    const machines = known === undefined ? [] : [...matchShards(dispersal.placesOf(known))].flatMap(([number, host]) => known.shards.find((shard) => shard.number === number && dispersal.holders.peer(shard.machine)?.host === host)?.machine ?? [])
    sets.set(`${k}/${n} ${machines.sort().join(' ')}`, { machines: new Set(machines), k, n })
  }
  return [...sets.values()]
}

export function nothing(wanted: number): Protection {
  return { state: 'unprotected', placed: 0, wanted, survives: -1 }
}
