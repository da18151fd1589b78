/** One machine of a simulation: a whole agent on a clock, a disk and a network of the simulation, and the user's files. */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CommandInput, type CommandName, type CommandResult, commands } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import type { MachineId } from '../../shared/ids.ts'
import type { BytesByCause } from '../../shared/repair-causes.ts'
import { AgentParts } from '../../agent/composition/agent-parts.ts'
import { realSurroundings } from '../../agent/composition/surroundings.ts'
import type { SilentOwnersHelp } from '../../agent/composition/silent-owners-help.ts'
import { unknownConditions } from '../../agent/conditions/port.ts'
import { configSchema, withDefaults } from '../../agent/config.ts'
import { homeAt } from '../../agent/home.ts'
import { Tidying } from '../../agent/triggers/tidying.ts'
import { perform } from '../../agent/main.ts'
import type { FakeTime } from '../support/fake-time.ts'
import { seededBytes } from '../support/trees.ts'
import type { Presence } from './office-hours.ts'
import type { SimulatedNetwork } from './simulated-network.ts'

export interface World {
  readonly time: FakeTime
  readonly network: SimulatedNetwork
  readonly random: () => number
  readonly log: (line: string) => void
}

/** Name of a file and SHA-256 of what is in it. */
export type Contents = ReadonlyMap<string, string>

export const diskBytes = 10e9
const blockBytes = 4096
const passing: readonly HoldfastError['code'][] = ['too-few-holders', 'peer-unreachable', 'object-missing', 'quota-exceeded', 'timeout']

export class SimulatedMachine {
  readonly name: string
  readonly directory: string
  readonly data: string
  readonly presence: Presence
  readonly #world: World
  #open: { readonly parts: AgentParts; readonly help: SilentOwnersHelp; readonly tidying: Tidying; readonly stop: AbortController; readonly stack: AsyncDisposableStack } | undefined
  /** Milliseconds by which its wall clock is ahead. */
  skewMs = 0
  /** Of the disk, by everything but shards. */
  otherBytes = 1e9
  isUp = true
  /** Whether its files are other than when it last backed up. */
  isChanged = false
  /** What each snapshot has to bring back. */
  readonly snapshots = new Map<string, Contents>()
  kit: { words: string; locator: string } | undefined

  constructor(world: World, { name, directory, data, presence }: { name: string; directory: string; data: string; presence: Presence }) {
    this.#world = world
    this.name = name
    this.directory = directory
    this.data = data
    this.presence = presence
  }

  get #running() {
    if (this.#open === undefined) throw new TypeError(`${this.name} is not running`)
    return this.#open
  }

  get parts(): AgentParts {
    return this.#running.parts
  }

  get id(): MachineId {
    return this.parts.machine.id
  }

  async start(): Promise<this> {
    const { time, network, random } = this.#world
    const config = withDefaults(configSchema.parse({
      offer: { quotaBytes: 5e9 }, limits: { workers: 1 }, beacon: false, peerAddress: { port: 0, host: '127.0.0.1' },
      protect: [{ path: this.data }],
    }))
    mkdirSync(this.directory, { recursive: true, mode: 0o700 })
    mkdirSync(this.data, { recursive: true })
    await using stack = new AsyncDisposableStack()
    const stop = new AbortController()
    const parts = await AgentParts.open(homeAt(this.directory), {
      config, serve: false, testMachine: this.name, signal: stop.signal,
      surroundings: {
        ...realSurroundings, random, dial: network.dial, monotonic: time.monotonic,
        conditions: () => ({ look: async () => unknownConditions, async [Symbol.asyncDispose]() {} }),
        clock: { now: () => time.nowMs + this.skewMs, after: (delayMs, then) => time.after(delayMs, then) },
        diskOf: async () => ({ blocks: diskBytes / blockBytes, bsize: blockBytes, bavail: Math.max(0, Math.floor((diskBytes - this.otherBytes - this.heldBytes) / blockBytes)) }),
      },
    }, { stack, perform })
    await parts.startGroup()
    const help = stack.use(parts.help())
    stack.use(parts.runs)
    const tidying = new Tidying({
      rule: () => parts.settings.config.retention, now: () => time.nowMs + this.skewMs,
      run: async (name, input, options) => {
        const done = await parts.runs.run(name, input, options)
        if (name === 'forget') for (const { id } of (done as CommandResult<'forget'>).forgotten) this.snapshots.delete(id)
        return done
      },
      liveBytes: async () => (await parts.backup()).repository.head?.document.live.bytes ?? 0,
    })
    this.#open = { parts, help, tidying, stop, stack: stack.move() }
    network.switchOn(parts.machine.id)
    this.isUp = true
    return this
  }

  async stop(): Promise<void> {
    const open = this.#open
    if (open === undefined) return
    this.#world.network.switchOff(open.parts.machine.id)
    this.isUp = false
    this.#open = undefined
    open.stop.abort()
    await open.stack[Symbol.asyncDispose]()
  }

  /** Asleep its agent stays in memory and nobody reaches it. */
  setUp(isUp: boolean): void {
    if (isUp === this.isUp) return
    this.isUp = isUp
    if (isUp) this.#world.network.switchOn(this.id)
    else this.#world.network.switchOff(this.id)
  }

  async run<C extends CommandName>(name: C, input: CommandInput<C>): Promise<CommandResult<C>> {
    return await this.parts.runs.run(name, commands[name].request.parse(input) as never, { signal: new AbortController().signal, onProgress: () => {} })
  }

  /** Like run(); undefined when it fails with one of the codes that a group on the move may give. */
  async tryRun<C extends CommandName>(name: C, input: CommandInput<C>, allowed = passing): Promise<CommandResult<C> | undefined> {
    try {
      return await this.run(name, input)
    } catch (error) {
      if (!isPassing(error, allowed)) throw error
      this.#world.log(`  ${this.name} cannot ${name}: ${error.message}`)
      return undefined
    }
  }

  /** By the given rule; what is forgotten need not come back any more. */
  async forget(rule: CommandInput<'forget'>): Promise<CommandResult<'forget'> | undefined> {
    const done = await this.tryRun('forget', rule)
    for (const { id } of done?.forgotten ?? []) this.snapshots.delete(id)
    return done
  }

  /** What an agent that serves does by itself after a backup. */
  async tidy(): Promise<void> {
    const { signal } = new AbortController()
    try {
      const tidied = await this.#running.tidying.afterBackup({ signal, onProgress: () => {} })
      if (tidied !== undefined) this.#world.log(`  ${this.name} forgets ${tidied.forgotten}, rewrites ${tidied.rewritten}`)
    } catch (error) {
      if (!isPassing(error)) throw error
      this.#world.log(`  ${this.name} cannot tidy: ${error.message}`)
    }
  }

  /** What an agent that serves does by itself in a day, in its order: bytes sent for repair by cause, its own and that of owners that are silent, rotten shards that its holder saw (a scrub that was halted sees them again in the next round). */
  async maintain(): Promise<{ repaired: BytesByCause[]; scrubbed: number }> {
    const { parts, help } = this.#running
    const { signal } = new AbortController()
    await parts.group().publish()
    await parts.group().meetPeers(signal)
    await parts.holder.expire({ signal })
    const { damaged } = await parts.holder.scrub({ days: parts.settings.config.offer.scrubDays ?? Infinity, signal })
    await this.tryRun('audit', { due: true })
    const repaired = await this.tryRun('repair', { patient: true })
    const helped = await help.round(signal)
    return { repaired: [repaired?.bytesByCause ?? {}, ...helped.map(({ bytesByCause }) => bytesByCause)], scrubbed: damaged }
  }

  /** Machines that said in this moment that they can take no more. */
  async refusals(): Promise<number> {
    const { refusals, clock } = (await this.parts.backup()).dispersal
    return [...refusals.values()].filter(({ atMs }) => atMs === clock.now()).length
  }

  /** Folders of owners that it keeps something of. */
  get ownerFolders(): string[] {
    return list(join(this.directory, 'holder')).filter((name) => /^[0-9a-f]{64}$/.test(name))
  }

  /** Shards that lie in its holder's folder, by owner folder and name. */
  heldShards(ownerFolder: string): string[] {
    return list(join(this.directory, 'holder', ownerFolder)).filter((name) => name.endsWith('.shard'))
  }

  get heldBytes(): number {
    return this.#open === undefined ? 0 : this.#open.parts.holder.accounts().reduce((sum, { used }) => sum + used, 0)
  }

  write(name: string, bytes: number, seed: number): void {
    const path = join(this.data, name)
    writeFileSync(path, seededBytes(bytes, seed))
    utimesSync(path, this.#world.time.nowMs / 1000, this.#world.time.nowMs / 1000)
    this.isChanged = true
  }

  remove(name: string): void {
    rmSync(join(this.data, name))
    this.isChanged = true
  }

  get logTail(): string {
    return readFileSync(homeAt(this.directory).log, 'utf8').split('\n').slice(-25).join('\n')
  }

  get files(): string[] {
    return list(this.data)
  }
}

function isPassing(error: unknown, allowed = passing): error is HoldfastError {
  return error instanceof HoldfastError && allowed.includes(error.code)
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

export function contentsOf(folder: string): Contents {
  return new Map(list(folder).map((name) => [name, createHash('sha256').update(readFileSync(join(folder, name))).digest('hex')]))
}
