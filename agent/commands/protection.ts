/** How well everything that the newest head keeps alive is protected: the worst verdict over its objects. */
import type { Protection } from '../../shared/api.ts'
import type { MachineId } from '../../shared/ids.ts'
import { matchShards } from '../network/placement.ts'
import type { Backup } from './context.ts'

const rank = { unprotected: 0, partial: 1, protected: 2 } as const

export function protectionOf({ dispersal, repository }: Backup): Protection {
  const level = dispersal.redundancy()
  let worst: Protection | undefined
  for (const { id } of repository.head?.live ?? []) {
    const known = dispersal.index.find(id)
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
export function reachNow({ dispersal, repository }: Backup, reachable: ReadonlySet<MachineId>): Reach | undefined {
  let worst: Reach | undefined
  for (const { id } of repository.head?.live ?? []) {
    const known = dispersal.index.find(id)
    if (known === undefined) continue
    const reach = { have: matchShards(dispersal.placesOf(known, { reachable })).size, placed: matchShards(dispersal.placesOf(known)).size, need: known.k }
    if (worst === undefined || reach.have - reach.need < worst.have - worst.need) worst = reach
  }
  return worst
}

export function nothing(wanted: number): Protection {
  return { state: 'unprotected', placed: 0, wanted, survives: -1 }
}
