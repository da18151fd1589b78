/**
 * What machines are called where a person reads it: by their names, and with the short id wherever another machine has the
 * same one (upper and lower case alike), so that no two look alike. Of machines that are in the group only those count that
 * are; one that left or was replaced is told from all.
 */
import { type MachineId, shortId } from '../../../shared/ids.ts'

export interface NamedMachine {
  readonly id: MachineId
  readonly name: string
  /** Not one that left, was replaced or given up. */
  readonly isThere: boolean
}

const withId = / \([\w-]{8}\)$/

/** By id. A name that itself looks as if it had an id gets its own, so that nobody passes for another. */
export function shownNames(machines: readonly NamedMachine[]): ReadonlyMap<MachineId, string> {
  const counts = new Map<string, { there: number; all: number }>()
  for (const { name, isThere } of machines) {
    const { there, all } = counts.get(folded(name)) ?? { there: 0, all: 0 }
    counts.set(folded(name), { there: there + (isThere ? 1 : 0), all: all + 1 })
  }
  return new Map(machines.map(({ id, name, isThere }) => {
    const { there = 0, all = 0 } = counts.get(folded(name)) ?? {}
    return [id, (isThere ? there : all) > 1 || withId.test(name) ? `${name} (${shortId(id)})` : name]
  }))
}

/** Whether a person who writes `text` may mean who is shown as `shown`. */
export function isCalled(shown: string, text: string): boolean {
  return [shown, shown.replace(withId, '')].some((name) => folded(name) === folded(text))
}

export function isSameName(one: string, other: string): boolean {
  return folded(one) === folded(other)
}

function folded(name: string): string {
  return name.normalize('NFKC').trim().toLowerCase()
}
