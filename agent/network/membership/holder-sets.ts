/**
 * Which machines a backup needs, short enough for a coverage report (docs/format.md section 11), so that everybody can tell by who is
 * on now how many copies can be reached and whether a restore would work.
 *
 * All objects of an owner lie on a few sets of machines, mostly on one. A set that holds all of another with the same (k, n) is never
 * worse than that one and is left out; then the sets with the least to spare go first, until the report is full. Machines are named
 * by the first characters of their ids; where two begin alike, both have to be on: nobody makes a backup look better by the name of his machine.
 */
import { z } from 'zod'
import type { MachineId } from '../../../shared/ids.ts'

const nameLength = 5
const mostMachines = 32
const mostSets = 4
const mostLength = 190

export const holderSetsSchema = z.object({
  /** The first 5 characters of the ids, one after the other. */
  ids: z.string().regex(/^[\w-]*$/).max(nameLength * mostMachines).refine((text) => text.length % nameLength === 0, 'names of 5 characters'),
  /** Machines (bit i: the one with the i-th name, the lowest bit first), how many of them a restore needs, and how many are wanted. */
  sets: z.array(z.tuple([z.int().min(0).max(2 ** mostMachines - 1), z.int().min(1).max(255), z.int().min(1).max(255)])).min(1).max(mostSets),
})
export type HolderSets = z.infer<typeof holderSetsSchema>

export interface HolderSet {
  /** One for each shard that lies on a machine of its own. */
  readonly machines: ReadonlySet<MachineId>
  readonly k: number
  readonly n: number
}

export interface Reachable {
  /** Copies that can be reached now, of the object that lacks most; null when it is of another level than what is told of. */
  readonly reachable: number | null
  /** Every object is on as many machines as a restore needs that are on now. */
  readonly restorable: boolean
}

/** Undefined when there is none. */
export function packHolderSets(all: readonly HolderSet[]): HolderSets | undefined {
  const worst = all.filter((set, at) => !all.some((other, index) => index !== at && covers(set, other) && (other.machines.size < set.machines.size || index < at)))
    .sort((a, b) => (a.machines.size - a.k) - (b.machines.size - b.k) || (b.n - b.machines.size) - (a.n - a.machines.size))
  for (let count = Math.min(worst.length, mostSets); count > 0; count--) {
    const sets = worst.slice(0, count)
    const names = [...new Set(sets.flatMap(({ machines }) => [...machines].map((id) => id.slice(0, nameLength))))].sort()
    const packed: HolderSets = { ids: names.join(''), sets: sets.map(({ machines, k, n }) => [[...new Set(Array.from(machines, (id) => id.slice(0, nameLength)))].reduce((mask, name) => mask + 2 ** names.indexOf(name), 0), k, n]) }
    if (names.length <= mostMachines && JSON.stringify(packed).length <= mostLength) return packed
  }
  return undefined
}

function covers(set: HolderSet, other: HolderSet): boolean {
  return set.k === other.k && set.n === other.n && [...other.machines].every((id) => set.machines.has(id))
}

/** The first characters of the ids of which every machine that begins so is on. */
export function namesOn(machines: Iterable<{ readonly id: MachineId; readonly isOn: boolean }>): Set<string> {
  const names = new Map<string, boolean>()
  for (const { id, isOn } of machines) names.set(id.slice(0, nameLength), isOn && names.get(id.slice(0, nameLength)) !== false)
  return new Set([...names].filter(([, isOn]) => isOn).map(([name]) => name))
}

/** `wanted`: the copies of the object that is told of. */
export function reachableOf({ ids, sets }: HolderSets, on: ReadonlySet<string>, wanted: number): Reachable {
  const isOn = Array.from({ length: ids.length / nameLength }, (_, at) => on.has(ids.slice(at * nameLength, (at + 1) * nameLength)))
  const found = sets.map(([mask, k, n]) => ({ k, n, have: isOn.filter((one, at) => one && Math.floor(mask / 2 ** at) % 2 === 1).length }))
  const missingOf = ({ n, have }: { n: number; have: number }) => Math.max(0, n - have)
  const { n, have } = found.reduce((worst, one) => {
    const more = missingOf(one) - missingOf(worst)
    return more > 0 || (more === 0 && worst.n !== wanted && one.n === wanted) ? one : worst
  })
  return { reachable: n === wanted ? Math.min(have, n) : null, restorable: found.every((one) => one.have >= one.k) }
}
