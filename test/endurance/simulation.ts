/**
 * A work group of whole agents in one process on a fake clock (decision 0016).
 *
 * Four times a day: machines come and go by office hours, weighted actions are drawn by lot, those that are on do what an
 * agent does by itself in a day, and those with changes back up. After each step the invariants are checked: no live object
 * of what is shown protected has fewer sound shards than it says, the latest snapshot of an owner by lot restores byte for
 * byte or does so within the waiting time, and no holder went below its reserve. All lots come from one seed.
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { redundancyOfObject } from '../../agent/network/redundancy.ts'
import { FakeTime, dayMs, hourMs } from '../support/fake-time.ts'
import { seededLots } from '../support/lots.ts'
import { Figures, type Summary } from './figures.ts'
import { GroundTruth, type Look } from './ground-truth.ts'
import { drawPresence, isOn } from './office-hours.ts'
import { SimulatedMachine, type World, contentsOf, diskBytes } from './simulated-machine.ts'
import { SimulatedNetwork } from './simulated-network.ts'

export interface SimulationOptions {
  readonly seed: number
  readonly days: number
  readonly machines?: number
  /** How many times the yearly rates each action comes: more, for a short run. */
  readonly haste?: number
  /** Of each kind, in a year of the whole group, where it is not the usual number. */
  readonly rates?: Partial<Record<Action, number>>
  readonly log?: (line: string) => void
  /** Told the figures so far after each week. */
  readonly onWeek?: (summary: Summary) => void
}

interface Waiting {
  readonly snapshot: string
  readonly sinceMs: number
}

/** Hours of the day (UTC) at which something happens. */
const hours = [9.5, 12.5, 15.5, 21]
/** A restore may wait so long for machines that are off: a long weekend with a day on each side. */
const longestWaitMs = 5 * dayMs
const reserve = 0.02

/** Of each kind, in a year of the whole group. */
const yearly = {
  grow: 1500, shrink: 150, restore: 500, forget: 60, leave: 2, lose: 3, partition: 12, skew: 24, fill: 12, rot: 12, restart: 200,
} as const
type Action = keyof typeof yearly

export class Simulation implements AsyncDisposable {
  readonly figures = new Figures()
  readonly #options: Required<SimulationOptions> & { readonly rates: Readonly<Record<Action, number>> }
  readonly #random: () => number
  readonly #world: World
  readonly #directory: string
  readonly #truth = new GroundTruth()
  #machines: SimulatedMachine[] = []
  /** Restores that wait for machines, by owner's machine. */
  readonly #waiting = new Map<SimulatedMachine, Waiting>()
  readonly #full = new Map<SimulatedMachine, number>()
  readonly #maintained = new Map<SimulatedMachine, number>()
  /** Wants to leave, and tries at each step. */
  #leaving: SimulatedMachine | undefined
  #lostMs: number[] = []
  #healMs = 0
  #made = 0

  static async begin(options: SimulationOptions): Promise<Simulation> {
    const simulation = new Simulation(options)
    await simulation.#found()
    return simulation
  }

  private constructor({ machines = 12, haste = 1, rates = {}, log = () => {}, onWeek = () => {}, ...options }: SimulationOptions) {
    this.#options = { machines, haste, rates: { ...yearly, ...rates }, log, onWeek, ...options }
    this.#random = seededLots(options.seed)
    this.#world = { time: new FakeTime(Date.parse('2026-01-05T09:00:00Z')), network: new SimulatedNetwork(), random: this.#random, log }
    this.#directory = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-endurance-')))
  }

  get #nowMs(): number {
    return this.#world.time.nowMs
  }

  /** Ends early, with the figures until then, when `signal` is aborted. */
  async run({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    const startMs = this.#nowMs
    for (let day = 0; day < this.#options.days; day++) {
      if (signal?.aborted === true) return
      for (const hour of hours) {
        const atMs = Math.floor(startMs / dayMs) * dayMs + day * dayMs + hour * hourMs
        this.#world.time.run(Math.max(0, atMs - this.#nowMs))
        await this.#step()
      }
      this.figures.dayPassed(await this.#live())
      this.figures.count('dials that partitions refused', this.#world.network.takeRefused())
      if ((day + 1) % 7 === 0) this.#options.onWeek(this.figures.summary)
    }
  }

  async #found(): Promise<void> {
    const roster = join(this.#directory, 'roster')
    mkdirSync(roster)
    for (let number = 0; number < this.#options.machines; number++) this.#machines.push(await this.#newMachine())
    const [founder, ...others] = this.#machines
    assert.ok(founder !== undefined)
    await founder.run('network create', { name: 'Endurance', roster: `folder:${roster}`, label: founder.name })
    for (const other of others) await this.#join(other)
    founder.kit = await founder.run('key show', {})
    for (const machine of this.#machines) await machine.maintain()
    for (const machine of this.#machines) {
      machine.write('begin', 150_000 + Math.floor(this.#random() * 100_000), this.#made++)
      await this.#backUp(machine)
    }
  }

  async #newMachine(data?: string): Promise<SimulatedMachine> {
    const name = `machine-${++this.#made}`
    const presence = drawPresence(this.#machines.length % 4 === 0, { startMs: this.#nowMs, days: this.#options.days, random: this.#random })
    return await new SimulatedMachine(this.#world, { name, presence, directory: join(this.#directory, name), data: data ?? join(this.#directory, `data-${name}`) }).start()
  }

  async #join(machine: SimulatedMachine): Promise<void> {
    const founder = this.#founder
    const { invitation } = await founder.run('network invite', { hours: 24 * 30 })
    await machine.run('network join', { invitation, label: machine.name })
    machine.kit = await machine.run('key show', {})
  }

  /** Never leaves and is never lost: the only admin. It may be off like any other. */
  get #founder(): SimulatedMachine {
    const [founder] = this.#machines
    assert.ok(founder !== undefined)
    return founder
  }

  async #step(): Promise<void> {
    const lots = () => ({ absent: this.#random(), lid: this.#random() })
    for (const machine of this.#machines) machine.setUp(isOn(machine.presence, this.#nowMs, lots()))
    if (this.#world.network.isPartitioned && this.#nowMs >= this.#healMs) this.#world.network.heal()
    for (const [machine, untilMs] of this.#full) if (this.#nowMs >= untilMs) this.#empty(machine)
    const up = this.#up
    for (const action of Object.keys(yearly) as Action[]) {
      const times = this.#options.rates[action] * this.#options.haste / (365 * hours.length)
      for (let left = times; left > 0 && up.length > 0; left--) if (this.#random() < left) await this.#act(action)
    }
    if (this.#leaving !== undefined) await this.#leave(this.#leaving)
    for (const machine of this.#up) {
      if (Math.floor((this.#maintained.get(machine) ?? 0) / dayMs) < Math.floor(this.#nowMs / dayMs)) {
        this.#maintained.set(machine, this.#nowMs)
        const { repaired, scrubbed } = await machine.maintain()
        for (const bytesByCause of repaired) this.figures.repaired(bytesByCause)
        this.figures.count('rotten shards that scrubs saw', scrubbed)
      }
      if (machine.isChanged) await this.#backUp(machine)
    }
    await this.#check()
    await turn()
  }

  get #up(): SimulatedMachine[] {
    return this.#machines.filter(({ isUp }) => isUp)
  }

  #pick<T>(of: readonly T[]): T {
    const picked = of[Math.floor(this.#random() * of.length)]
    if (picked === undefined) throw new TypeError('nothing to pick from')
    return picked
  }

  async #act(action: Action): Promise<void> {
    const machine = this.#pick(this.#up)
    this.#options.log(`${new Date(this.#nowMs).toISOString()} ${action} ${machine.name}`)
    this.figures.count(action)
    await this.#actions[action](machine)
  }

  readonly #actions: Record<Action, (machine: SimulatedMachine) => Promise<void> | void> = {
    grow: (machine) => { machine.write(`file-${this.#made}`, 1000 + Math.floor(this.#random() * 20_000), this.#made++) },
    shrink: (machine) => { if (machine.files.length > 1) machine.remove(this.#pick(machine.files)) },
    restore: async (machine) => { await this.#restoreOlder(machine) },
    forget: async (machine) => {
      await machine.forget({ daily: 7, weekly: 8, monthly: 12 })
      this.#dropForgotten(machine)
      await machine.tryRun('prune', {})
    },
    leave: (machine) => { this.#leaving ??= machine === this.#founder ? undefined : machine },
    lose: async (machine) => { await this.#lose(machine) },
    partition: () => {
      this.#world.network.partition(this.#machines.filter(() => this.#random() < 0.4).map(({ id }) => id))
      this.#healMs = this.#nowMs + this.#random() * 2 * dayMs
    },
    skew: (machine) => { machine.skewMs = Math.round((this.#random() - 0.5) * dayMs) },
    fill: (machine) => {
      machine.otherBytes = diskBytes * (1 - reserve) - machine.heldBytes - 1e4
      this.#full.set(machine, this.#nowMs + this.#random() * 5 * dayMs)
    },
    rot: (machine) => {
      if (this.#truth.standingFlips > 0) return // one rotting holder at a time, as n−k bounds it
      const owner = this.#pick(this.#machines)
      const flipped = this.#truth.rot(machine, this.#ownerOf(owner), { nth: 3, nowMs: this.#nowMs, random: this.#random })
      this.figures.count('shards rotted', flipped)
    },
    restart: async (machine) => {
      await machine.stop()
      await machine.start()
    },
  }

  #ownerOf(machine: SimulatedMachine): string {
    const owner = machine.parts.ownerFile()?.owner
    if (owner === undefined) throw new TypeError(`${machine.name} has no owner`)
    return owner
  }

  #empty(machine: SimulatedMachine): void {
    machine.otherBytes = 1e9
    this.#full.delete(machine)
  }

  async #backUp(machine: SimulatedMachine): Promise<void> {
    const contents = contentsOf(machine.data)
    const done = await machine.tryRun('backup', {})
    this.figures.count('refused by full disks', await machine.refusals())
    if (done === undefined) return
    assert.deepEqual(done.skipped, [])
    machine.snapshots.set(done.snapshot, contents)
    machine.isChanged = false
    this.figures.backedUp(done.bytesSent)
    await machine.tidy()
    this.#dropForgotten(machine)
  }

  /** Nobody waits for what was forgotten. */
  #dropForgotten(machine: SimulatedMachine): void {
    if (!machine.snapshots.has(this.#waiting.get(machine)?.snapshot ?? '')) this.#waiting.delete(machine)
  }

  /** A machine goes with its disk; its owner recovers on a new one that has the words, the next working day. */
  async #lose(machine: SimulatedMachine): Promise<void> {
    this.#lostMs = this.#lostMs.filter((ms) => this.#nowMs - ms < 45 * dayMs)
    if (machine === this.#founder || this.#lostMs.length >= 2) return
    this.#lostMs.push(this.#nowMs)
    this.figures.count('lost')
    this.#truth.bury(machine, this.#nowMs)
    const id = machine.id
    await this.#end(machine)
    if (this.#founder.isUp && this.#random() < 0.5) await this.#founder.run('network lost', { machine: id })
    await this.#replace(machine)
  }

  async #replace(lost: SimulatedMachine): Promise<void> {
    const fresh = await this.#newMachine(join(this.#directory, `data-${lost.name}-${this.#made}`))
    const { kit } = lost
    assert.ok(kit !== undefined)
    const sinceMs = this.#nowMs
    for (;;) {
      const recovered = await fresh.tryRun('recover', { ...kit, label: fresh.name }, ['too-few-holders', 'peer-unreachable', 'object-missing', 'roster-unavailable', 'not-found', 'timeout'])
      if (recovered !== undefined) break
      this.#assertWait(fresh, sinceMs, 'recover')
      this.#sleepUntilNextStep()
    }
    fresh.kit = kit
    for (const [id, contents] of lost.snapshots) fresh.snapshots.set(id, contents)
    this.#machines.push(fresh)
    this.figures.waited({ sinceMs, nowMs: this.#nowMs })
    rmSync(lost.data, { recursive: true })
    fresh.write('begin', 150_000, this.#made++)
  }

  /** Nothing but presence changes meanwhile. */
  #sleepUntilNextStep(): void {
    this.#world.time.run(3 * hourMs)
    for (const machine of this.#machines) machine.setUp(isOn(machine.presence, this.#nowMs, { absent: this.#random(), lid: this.#random() }))
  }

  async #end(machine: SimulatedMachine): Promise<void> {
    await machine.stop()
    rmSync(machine.directory, { recursive: true })
    this.#machines = this.#machines.filter((other) => other !== machine)
    this.#waiting.delete(machine)
    this.#full.delete(machine)
    if (this.#leaving === machine) this.#leaving = undefined
  }

  /** In good order, once enough others are there to take what it holds; another machine joins for it. */
  async #leave(machine: SimulatedMachine): Promise<void> {
    if (!machine.isUp || !this.#founder.isUp) return
    const left = await machine.tryRun('network leave', { backups: 'keep', days: 90 })
    if (left === undefined) return
    this.figures.count('left')
    this.#leaving = undefined
    await this.#end(machine)
    const fresh = await this.#newMachine()
    await this.#join(fresh)
    this.#machines.push(fresh)
    fresh.write('begin', 150_000, this.#made++)
  }

  async #restoreOlder(machine: SimulatedMachine): Promise<void> {
    const listed = await machine.run('snapshots', {})
    const known = listed.snapshots.filter(({ id }) => machine.snapshots.has(id))
    if (known.length > 0) await this.#restores(machine, this.#pick(known).id)
  }

  /** False when too few machines are there now; throws when what comes back is not what was backed up. */
  async #restores(machine: SimulatedMachine, snapshot: string): Promise<boolean> {
    const target = join(this.#directory, 'restored')
    try {
      const done = await machine.tryRun('restore', { snapshot, target })
      if (done === undefined) return false
      if (done.skipped.length > 0) {
        this.#options.log(`  ${machine.name} restores without ${done.skipped.map(({ path, reason }) => `${path}: ${reason}`).join('; ')}`)
        return false
      }
      assert.deepEqual(contentsOf(join(target, this.#pick(readdirSync(target)))), machine.snapshots.get(done.snapshot), `${machine.name}: snapshot ${done.snapshot} came back different`)
      this.figures.count('restored')
      return true
    } finally {
      rmSync(target, { recursive: true, force: true })
    }
  }

  async #check(): Promise<void> {
    const look = this.#truth.look(this.#machines, this.#nowMs)
    for (const machine of this.#machines) {
      this.#checkReserve(machine)
      await this.#countLost(machine, look)
      await this.#checkShown(machine, look)
    }
    const asked = new Set([...this.#waiting.keys(), ...(this.#up.length > 0 ? [this.#pick(this.#up)] : [])])
    for (const machine of asked) await this.#checkRestores(machine)
  }

  #checkReserve(machine: SimulatedMachine): void {
    const free = diskBytes - machine.otherBytes - machine.heldBytes
    assert.ok(free >= diskBytes * reserve, `${machine.name}: ${free} bytes are free, the reserve is ${diskBytes * reserve}`)
  }

  /** Whatever is shown: what is alive and has fewer sound shards on all disks together than it takes. */
  async #countLost(machine: SimulatedMachine, look: Look): Promise<void> {
    const { repository, dispersal } = await machine.parts.backup()
    const owner = this.#ownerOf(machine)
    for (const { id, kind } of repository.head?.live ?? []) {
      if (look(owner, id).sound >= (dispersal.index.find(id)?.k ?? 1)) continue
      this.#options.log(`  ${machine.name} has lost ${kind} ${id}`)
      this.figures.lost(id)
    }
  }

  /** The owner's view against the disks. */
  async #checkShown(machine: SimulatedMachine, look: Look): Promise<void> {
    const { repository, dispersal } = await machine.parts.backup()
    const { protection } = await machine.run('status', { fresh: false })
    if (protection.state !== 'protected') return this.figures.shown(false)
    this.figures.shown(true)
    for (const { id, kind } of repository.head?.live ?? []) {
      const placed = dispersal.index.find(id)
      assert.ok(placed !== undefined, `${machine.name}: ${kind} ${id} is shown protected and nowhere`)
      const { sound, excused } = look(this.#ownerOf(machine), id)
      const { green } = redundancyOfObject(placed.k, placed.n)
      assert.ok(sound >= placed.k, `${machine.name}: ${kind} ${id} is shown protected and lost: ${sound} of ${placed.k}`)
      assert.ok(sound + excused >= (green ?? Infinity), `${machine.name}: ${kind} ${id} is shown protected with ${sound} sound shards of ${placed.k}-of-${placed.n} and ${excused} lost lately`)
    }
  }

  /** Of what is shown protected, the latest snapshot; once one waits, that one until it comes. */
  async #checkRestores(machine: SimulatedMachine): Promise<void> {
    const waiting = this.#waiting.get(machine) ?? await this.#asked(machine)
    if (waiting === undefined) return
    const wasUp = machine.isUp
    machine.setUp(true) // its person is there and waits
    try {
      if (await this.#restores(machine, waiting.snapshot)) {
        this.#waiting.delete(machine)
        this.figures.waited({ sinceMs: waiting.sinceMs, nowMs: this.#nowMs })
        return
      }
    } finally {
      machine.setUp(wasUp)
    }
    this.#waiting.set(machine, waiting)
    this.#assertWait(machine, waiting.sinceMs, 'restore')
  }

  async #asked(machine: SimulatedMachine): Promise<Waiting | undefined> {
    const snapshot = [...machine.snapshots.keys()].at(-1)
    if (snapshot === undefined || (await machine.run('status', { fresh: false })).protection.state !== 'protected') return undefined
    return { snapshot, sinceMs: this.#nowMs }
  }

  #assertWait(machine: SimulatedMachine, sinceMs: number, what: string): void {
    assert.ok(this.#nowMs - sinceMs <= longestWaitMs, `${machine.name} waits for a ${what} since ${new Date(sinceMs).toISOString()}; the end of its log:\n${machine.logTail}`)
  }

  /** What the newest heads of all owners keep alive. */
  async #live(): Promise<{ objects: number; bytes: number }> {
    const sum = { objects: 0, bytes: 0 }
    for (const machine of this.#machines) {
      const live = (await machine.parts.backup()).repository.head?.document.live
      sum.objects += live?.count ?? 0
      sum.bytes += live?.bytes ?? 0
    }
    return sum
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const machine of this.#machines) await machine.stop()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
