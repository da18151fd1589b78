/**
 * Answers members that call out on the local network, and calls out itself while no other machine is online: soon after the
 * start, then at pauses that double. Whoever is heard is dialled; the link's gossip brings the rest.
 */
import type { MachineId } from '../../shared/ids.ts'
import { systemClock } from '../network/clock.ts'
import { Beacon, type Sighting, callOut } from '../network/peer/beacon.ts'
import type { GroupServices } from './group-services.ts'
import type { Log } from './log.ts'

const firstMs = 3_000
const longestMs = 600_000
const patienceMs = 1_500

export interface LanBeaconOptions {
  readonly group: GroupServices
  readonly self: MachineId
  readonly doorPort: number
  /** What the peer door listens on; null: everywhere. */
  readonly host: string | null
  readonly log: Log
}

export class LanBeacon implements AsyncDisposable {
  readonly #options: LanBeaconOptions
  readonly #beacon: Beacon
  readonly #stop = new AbortController()
  #calling: Promise<void> = Promise.resolve()
  #cancel: () => void = () => {}

  static async open(options: LanBeaconOptions): Promise<LanBeacon> {
    const { group, self, doorPort, host, log } = options
    const beacon = await Beacon.open({
      net: group.membership.net, self, doorPort, host, clock: systemClock,
      knows: (machine) => group.membership.member(machine) !== undefined,
      onCall: ({ machine, address }) => {
        log('beacon-heard', { machine })
        group.sighted(machine, address)
      },
      onFault: (error) => { log('beacon-fault', { error }) },
    })
    return new LanBeacon(options, beacon)
  }

  private constructor(options: LanBeaconOptions, beacon: Beacon) {
    this.#options = options
    this.#beacon = beacon
    this.#later(firstMs)
  }

  #later(ms: number): void {
    this.#cancel = systemClock.after(ms, () => { this.#calling = this.#look(ms) })
  }

  async #look(afterMs: number): Promise<void> {
    const { group, log } = this.#options
    const { isAlone } = group
    try {
      if (isAlone) await this.#call()
    } catch (error) {
      if (!this.#stop.signal.aborted) log('beacon-fault', { error })
    }
    if (!this.#stop.signal.aborted) this.#later(isAlone ? Math.min(longestMs, afterMs * 2) : firstMs * 10)
  }

  async #call(): Promise<void> {
    const { group, self, doorPort, host, log } = this.#options
    const sightings = await callOut({ net: group.membership.net, self, doorPort, host, clock: systemClock }, { signal: this.#stop.signal, patienceMs })
    const members = sightings.filter((one): one is Sighting & { machine: MachineId } => one.machine !== undefined)
    if (members.length > 0) log('beacon-answered', { machines: members.length })
    for (const { machine, address } of members) group.sighted(machine, address)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('Cannot call out: the agent is stopping'))
    this.#cancel()
    await this.#calling
    await this.#beacon[Symbol.asyncDispose]()
  }
}
