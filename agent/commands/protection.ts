/** How well everything that the newest head keeps alive is protected: the worst verdict over its objects. */
import type { Protection } from '../../shared/api.ts'
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

export function nothing(wanted: number): Protection {
  return { state: 'unprotected', placed: 0, wanted, survives: -1 }
}
