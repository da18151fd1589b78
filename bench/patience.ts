/**
 * What repair costs and what is lost, by how long it waits for silent machines (docs/decisions/0023 and 0025): a model of places and days
 * that asks the rule of agent/network/margin.ts itself, with the presence of test/endurance/office-hours.ts and without agents.
 *
 * `node bench/patience.ts [--seed 1] [--runs 200] [--years 2]`. A group of twelve machines, one owner on each, 3-of-6 on a set of holders that
 * is drawn once for each owner, so one object stands for all that it has. Day by day: machines die for good, and another of the same
 * user takes their place at once; who is on is heard; an object of which fewer than k shards are left is lost and stored anew; what the
 * rule calls lacking is made anew on machines that are on and have none of it, when k of its shards are on machines that are.
 * Nobody says that a machine is gone. All rules meet the same days: presence and deaths come from one seed.
 *
 * A run begins with all shards in place and ends with those of the last weeks' deaths not made anew yet. Not in it: objects that end with their snapshots, hours within a day, machines that leave in good order, full disks, rot.
 */
import { parseArgs } from 'node:util'
import { type Patience, lackingWithPatience, patience } from '../agent/network/margin.ts'
import { matchShards } from '../agent/network/placement.ts'
import { type Presence, drawPresence, isOn } from '../test/endurance/office-hours.ts'
import { dayMs, hourMs } from '../test/support/fake-time.ts'
import { seededLots } from '../test/support/lots.ts'

const machines = 12
const [k, n, shown] = [3, 6, 5] as const
const startMs = Date.UTC(2026, 0, 5)
const never: Omit<Patience, 'givenUpDays'> = { stages: [], shownDays: Infinity }

/** Those of the table of decision 0025. */
export const rules: Readonly<Record<string, Patience>> = {
  'before: 10 days k+2, 21 days all': { ...never, stages: [{ days: 10, losses: 2 }], givenUpDays: 21 },
  '10 days k+2, 42 days all': { ...never, stages: [{ days: 10, losses: 2 }], givenUpDays: 42 },
  '**10 days k+1, 17 days k+2, 42 days all**': patience,
  '10 days k+1, 17 days k+2, 28 days all': { ...patience, givenUpDays: 28 },
  '10 days k+1, 21 days k+2, 42 days all': { ...never, stages: [{ days: 10, losses: 1 }, { days: 21, losses: 2 }], givenUpDays: 42 },
  '45 days all (the published model\'s window)': { ...never, givenUpDays: 45 },
}

export interface PatienceFigures {
  readonly ownerYears: number
  /** Bytes of shards that were made anew, for each owner and year, against what the owner has stored. */
  readonly repairPerUserYear: number
  /** How often fewer than k shards of it were left. */
  readonly lost: number
}

export interface PatienceRequest {
  readonly seed: number
  /** Groups, each from its beginning. */
  readonly runs: number
  /** Of each. */
  readonly years: number
  /** Of a machine, in a year. */
  readonly deaths: number
}

interface Machine {
  readonly host: string
  readonly user: number
  readonly presence: Presence
  isDead: boolean
  heardDay: number
}

interface Shard {
  readonly number: number
  readonly machine: Machine
}

export function patienceFigures(rule: Patience, { seed, runs, years, deaths }: PatienceRequest): PatienceFigures {
  const totals = { shards: 0, lost: 0 }
  for (let run = 0; run < runs; run++) {
    const group = new Group(rule, { seed: seed * 100_003 + run, days: Math.round(years * 365), deaths })
    group.live(totals)
  }
  const ownerYears = runs * years * machines
  return { ownerYears, repairPerUserYear: totals.shards / k / ownerYears, lost: totals.lost }
}

class Group {
  readonly #rule: Patience
  readonly #days: number
  readonly #deathsADay: number
  /** Presence and deaths: the same whatever the rule does. */
  readonly #world: () => number
  readonly #lots: () => number
  readonly #on: Machine[]
  readonly #objects: Shard[][] = []

  constructor(rule: Patience, { seed, days, deaths }: { seed: number; days: number; deaths: number }) {
    this.#rule = rule
    this.#days = days
    this.#deathsADay = deaths / 365
    this.#world = seededLots(seed)
    this.#lots = seededLots(seed + 0x5bd1e995)
    this.#on = Array.from({ length: machines }, (_, user) => ({
      host: `${user}`, user, isDead: false, heardDay: 0,
      presence: drawPresence(user % 4 === 0, { startMs, days, random: this.#world }),
    }))
  }

  live(totals: { shards: number; lost: number }): void {
    this.#objects.push(...this.#on.map(({ user }) => this.#store(this.#othersOf(user))))
    for (let day = 0; day < this.#days; day++) {
      this.#die(day)
      const on = this.#on.filter((machine) => this.#isHeard(machine, day))
      for (const machine of on) machine.heardDay = day
      for (const [owner, shards] of this.#objects.entries()) {
        if (new Set(shards.filter(({ machine }) => !machine.isDead).map(({ number }) => number)).size < k) {
          totals.lost++
          this.#objects[owner] = this.#store(this.#othersOf(owner))
        } else {
          totals.shards += this.#repair(owner, day, on)
        }
      }
    }
  }

  #othersOf(owner: number): Machine[] {
    return this.#on.filter(({ user }) => user !== owner)
  }

  #store(holders: readonly Machine[]): Shard[] {
    return this.#shuffled(holders).slice(0, n).map((machine, number) => ({ number, machine }))
  }

  #die(day: number): void {
    for (const [user, machine] of this.#on.entries()) {
      if (this.#world() >= this.#deathsADay) continue
      machine.isDead = true
      this.#on[user] = { host: `${user} from day ${day}`, user, isDead: false, heardDay: day, presence: machine.presence }
    }
  }

  /** Lots are drawn for every hour, needed or not, so that the days are the same for all rules. */
  #isHeard({ presence }: Machine, day: number): boolean {
    const absent = this.#world()
    let heard = false
    for (let hour = 9; hour <= 17; hour++) {
      if (isOn(presence, startMs + day * dayMs + hour * hourMs, { absent, lid: this.#world() })) heard = true
    }
    return heard
  }

  /** Returns how many shards were made. */
  #repair(owner: number, day: number, on: readonly Machine[]): number {
    const shards = this.#objects[owner] ?? []
    const places = () => shards.map(({ number, machine }) => ({ number, host: machine.host, silentDays: day - machine.heardDay }))
    if (places().every(({ silentDays }) => silentDays < 10)) return 0
    const lacking = lackingWithPatience(places(), { k, target: n, shown }, this.#rule)
    const readable = new Set(shards.filter(({ machine }) => on.includes(machine)).map(({ number }) => number))
    if (lacking.length === 0 || readable.size < k) return 0
    let made = 0
    for (const number of lacking) {
      const kept = places().filter(({ silentDays }) => silentDays < 10)
      const free = this.#shuffled(on.filter(({ user }) => user !== owner)).toSorted((a, b) => held(shards, a) - held(shards, b))
      const target = free.find(({ host }) => matchShards([...kept, { number, host }]).size > matchShards(kept).size)
      if (target === undefined) continue
      shards.push({ number, machine: target })
      made++
    }
    return made
  }

  #shuffled<T>(items: readonly T[]): T[] {
    return items.map((item) => ({ item, lot: this.#lots() })).sort((a, b) => a.lot - b.lot).map(({ item }) => item)
  }
}

function held(shards: readonly Shard[], machine: Machine): number {
  return shards.filter((shard) => shard.machine === machine).length
}

function main(): void {
  const { values } = parseArgs({ options: { seed: { type: 'string', default: '1' }, runs: { type: 'string', default: '200' }, years: { type: 'string', default: '2' } } })
  const request = { seed: Number(values.seed), runs: Number(values.runs), years: Number(values.years) }
  process.stdout.write('| rule | repair a user-year at 0.3 deaths a machine and year | lost, an owner and year, at 1.2 deaths | times |\n|---|---|---|---|\n')
  for (const [name, rule] of Object.entries(rules)) {
    const { repairPerUserYear } = patienceFigures(rule, { ...request, deaths: 0.3 })
    const { lost, ownerYears } = patienceFigures(rule, { ...request, deaths: 1.2 })
    process.stdout.write(`| ${name} | ${repairPerUserYear.toFixed(2)} | ${(lost / ownerYears).toFixed(4)} | ${lost} in ${ownerYears} owner-years |\n`)
  }
}

if (import.meta.main) main()
