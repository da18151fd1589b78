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

/** `reachable`: who is on now; of itself those that are believed to be. */
export function protectionOf(services: Backup, places: LivePlaces = livePlacesOf(services), reachable: ReadonlySet<MachineId> = reachableNow(services)): Protection {
  const { dispersal } = services
  const level = dispersal.redundancy()
  let worst: Stored | undefined
  for (const known of places) {
    const verdict: Stored = known === undefined ? nothing(level.n) : dispersal.protectionOf(known, level)
    if (worst === undefined) worst = verdict
    else {
      worst = {
        state: rank[verdict.state] < rank[worst.state] ? verdict.state : worst.state,
        ...(verdict.wanted - verdict.placed > worst.wanted - worst.placed ? { placed: verdict.placed, wanted: verdict.wanted } : { placed: worst.placed, wanted: worst.wanted }),
        survives: Math.min(verdict.survives, worst.survives),
      }
    }
  }
  return { ...worst ?? nothing(level.n), reach: reachNow(services, places, reachable) ?? null }
}

type Stored = Omit<Protection, 'reach'>
type Reach = NonNullable<Protection['reach']>

function reachableNow({ dispersal: { holders } }: Backup): Set<MachineId> {
  return new Set(holders.list().filter(({ id, state }) => state === 'online' && !holders.isSilent(id)).map(({ id }) => id))
}

/** Whether everything could be restored now, from `reachable` machines alone: of the object with the least to spare. */
function reachNow({ dispersal }: Backup, places: LivePlaces, reachable: ReadonlySet<MachineId>): Reach | undefined {
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
  return { state: 'unprotected', placed: 0, wanted, survives: -1, reach: null }
}
