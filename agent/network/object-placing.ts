/**
 * Places the shards of one object on machines: each shard tries its machine, then spares. It ends when every shard is
 * stored or has nowhere to go; a shard whose holder makes no progress, or lags far behind once k are safe, moves on.
 */
import { HoldfastError } from '../../shared/errors.ts'
import type { MachineId } from '../../shared/ids.ts'
import type { Clock } from './clock.ts'
import { type Holders, faultOf, untilAborted } from './holders.ts'
import type { NewShard } from './shard-store/port.ts'
import { throwIfCancelled } from './slots.ts'

export interface PlacingTimings {
  /** A holder that takes nothing in for so long is slow, ms. */
  readonly stallMs: number
  /** Once k shards are safe, the others get this long, ms, or three times what the k took if that is more. */
  readonly lagMs: number
}

export interface PlacingRequest {
  readonly shards: readonly NewShard[]
  /** The machine to try first for each of `shards`; undefined: a spare. */
  readonly firstOf: readonly (MachineId | undefined)[]
  /** Hosts that have a shard of the object already: no spare is taken from them. */
  readonly usedHosts: ReadonlySet<string>
  /** Spares in order of preference. */
  readonly spares: readonly MachineId[]
  /** Shards still lacking until the object is safe. */
  readonly lacking: number
}

export interface PlacingOutcome {
  readonly stored: readonly { readonly number: number; readonly machine: MachineId }[]
  readonly bytesSent: number
  readonly failures: readonly { readonly machine: MachineId; readonly error: unknown }[]
}

export interface PlacingTools {
  readonly holders: Holders
  readonly clock: Clock
  readonly timings: PlacingTimings
  readonly signal?: AbortSignal | undefined
  /** See StorePutOptions. */
  readonly onSent?: ((share: number) => void) | undefined
}

export async function placeShards(request: PlacingRequest, tools: PlacingTools): Promise<PlacingOutcome> {
  return await new Placing(request, tools).run()
}

class Placing {
  readonly #request: PlacingRequest
  readonly #tools: PlacingTools
  readonly #usedHosts: Set<string>
  readonly #spares: MachineId[]
  readonly #stored: { number: number; machine: MachineId }[] = []
  readonly #failures: { machine: MachineId; error: unknown }[] = []
  readonly #sending = new Set<AbortController>()
  readonly #startedMs: number
  readonly #travelled = new Map<number, number>()
  #bytesSent = 0
  #stopLagWatch = (): void => undefined

  constructor(request: PlacingRequest, tools: PlacingTools) {
    this.#request = request
    this.#tools = tools
    this.#usedHosts = new Set(request.usedHosts)
    this.#spares = [...request.spares]
    this.#startedMs = tools.clock.now()
    for (const machine of request.firstOf) if (machine !== undefined) this.#usedHosts.add(this.#hostOf(machine))
  }

  #hostOf(machine: MachineId): string {
    return this.#tools.holders.peer(machine)?.host ?? machine
  }

  async run(): Promise<PlacingOutcome> {
    const { shards, firstOf } = this.#request
    try {
      await Promise.all(shards.map(async (shard, index) => await this.#place(shard, firstOf[index])))
    } finally {
      this.#stopLagWatch()
    }
    throwIfCancelled(this.#tools.signal)
    return { stored: this.#stored, bytesSent: this.#bytesSent, failures: this.#failures }
  }

  async #place(shard: NewShard, first: MachineId | undefined): Promise<void> {
    for (let machine = first ?? this.#nextSpare(); machine !== undefined; machine = this.#nextSpare()) {
      if (this.#isCancelled()) return
      if (!this.#tools.holders.isWritable(machine)) continue
      try {
        if (!await this.#send(shard, machine)) continue
        this.#stored.push({ number: shard.number, machine })
        this.#tools.holders.forgive(machine)
        this.#watchLag()
        return
      } catch (error) {
        if (this.#isCancelled()) return
        this.#tools.holders.fault(machine, faultOf(error))
        this.#failures.push({ machine, error })
      }
    }
  }

  #isCancelled(): boolean {
    return this.#tools.signal?.aborted === true
  }

  #nextSpare(): MachineId | undefined {
    for (let spare = this.#spares.shift(); spare !== undefined; spare = this.#spares.shift()) {
      const host = this.#hostOf(spare)
      if (this.#usedHosts.has(host) || !this.#tools.holders.isWritable(spare)) continue
      this.#usedHosts.add(host)
      return spare
    }
    return undefined
  }

  /**
   * One try on one machine; false when it failed another shard while this one waited its turn, which says nothing new of
   * the machine. Rejects `timeout` when it stalls or lags.
   */
  async #send(shard: NewShard, machine: MachineId): Promise<boolean> {
    const { holders, signal } = this.#tools
    const control = new AbortController()
    const both = signal === undefined ? control.signal : AbortSignal.any([signal, control.signal])
    this.#sending.add(control)
    let progress = 0
    try {
      return await holders.inQueue(machine, async () => {
        if (!holders.isWritable(machine)) return false
        const store = await holders.connect(machine, both)
        const watch = this.#watchStall(control, machine)
        try {
          const onProgress = (bytes: number): void => {
            progress = bytes
            watch.progress()
            this.#tellSent(shard.number, bytes)
          }
          progress = await untilAborted(store.put(shard, { signal: both, onProgress }), both)
          return true
        } finally {
          watch.stop()
        }
      }, both)
    } finally {
      this.#sending.delete(control)
      this.#bytesSent += progress
    }
  }

  /** A shard that begins anew on another machine does not go back. */
  #tellSent(number: number, bytes: number): void {
    const { onSent } = this.#tools
    if (onSent === undefined || bytes <= (this.#travelled.get(number) ?? 0)) return
    this.#travelled.set(number, bytes)
    const sum = (counts: Iterable<number>) => [...counts].reduce((total, count) => total + count, 0)
    onSent(sum(this.#travelled.values()) / sum(this.#request.shards.map((shard) => shard.bytes.length)))
  }

  #watchStall(control: AbortController, machine: MachineId): { progress(): void; stop(): void } {
    const { clock, timings, holders } = this.#tools
    const start = (): (() => void) => clock.after(timings.stallMs, () => control.abort(
      new HoldfastError('timeout', `Cannot store on ${holders.nameOf(machine)}: no progress for ${timings.stallMs} ms`)))
    let stop = start()
    return {
      progress() {
        stop()
        stop = start()
      },
      stop: () => stop(),
    }
  }

  /** Once the object is safe, who still sends has a while, anew after each shard that arrives. */
  #watchLag(): void {
    if (this.#stored.length < this.#request.lacking) return
    const { clock, timings } = this.#tools
    this.#stopLagWatch()
    this.#stopLagWatch = clock.after(Math.max(timings.lagMs, 3 * (clock.now() - this.#startedMs)), () => {
      for (const control of this.#sending) control.abort(new HoldfastError('timeout', 'Cannot wait for a holder: it lags far behind the others'))
      this.#watchLag()
    })
  }
}
