/**
 * Who can reach whom in a simulation. Links and doors are the product's own (TLS over loopback); a dial that the simulated
 * network does not carry is refused, and a link that it carries no longer ends.
 */
import { HoldfastError } from '../../shared/errors.ts'
import type { MachineId } from '../../shared/ids.ts'
import { type Dial, type Link, dial } from '../../agent/network/peer/link.ts'

interface Carried {
  readonly from: MachineId
  readonly to: MachineId
  readonly link: Link
}

export class SimulatedNetwork {
  readonly #up = new Set<MachineId>()
  /** Machines that are cut off from those of another number. */
  readonly #island = new Map<MachineId, number>()
  readonly #carried = new Set<Carried>()
  #refused = 0

  switchOn(machine: MachineId): void {
    this.#up.add(machine)
  }

  switchOff(machine: MachineId): void {
    this.#up.delete(machine)
    this.#endBroken()
  }

  /** Those reach each other and nobody else, until heal(). */
  partition(machines: readonly MachineId[]): void {
    for (const machine of machines) this.#island.set(machine, 1)
    this.#endBroken()
  }

  heal(): void {
    this.#island.clear()
  }

  get isPartitioned(): boolean {
    return this.#island.size > 0
  }

  /** Dials between machines that were both on, since the last time this was asked. */
  takeRefused(): number {
    const refused = this.#refused
    this.#refused = 0
    return refused
  }

  reaches(from: MachineId, to: MachineId): boolean {
    return this.#up.has(from) && this.#up.has(to) && (this.#island.get(from) ?? 0) === (this.#island.get(to) ?? 0)
  }

  readonly dial: Dial = async (target, options) => {
    const from = options.identity.machine.id
    if (target.pin !== undefined && !this.reaches(from, target.pin.id)) {
      if (this.#up.has(from) && this.#up.has(target.pin.id)) this.#refused++
      throw new HoldfastError('peer-unreachable', `Cannot reach ${target.name}: the simulated network does not carry it`, { details: { peer: target.name } })
    }
    const link = await dial(target, options)
    const carried = { from, to: link.machine, link }
    this.#carried.add(carried)
    link.ended.addEventListener('abort', () => { this.#carried.delete(carried) }, { once: true })
    return link
  }

  #endBroken(): void {
    for (const { from, to, link } of this.#carried) if (!this.reaches(from, to)) link.end()
  }
}
