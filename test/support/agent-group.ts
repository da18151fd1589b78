/** A work group of whole agents in this process: real doors, real homes in a scratch folder, a folder as roster. */
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type CommandInput, type CommandName, type CommandResult, commands } from '../../shared/api.ts'
import { type ConfigFile, configSchema, withDefaults } from '../../agent/config.ts'
import type { Surroundings } from '../../agent/composition/surroundings.ts'
import { homeAt } from '../../agent/home.ts'
import { type Agent, openAgent } from '../../agent/main.ts'
import { untilAnswer } from './until-answer.ts'

const patienceMs = 60_000

export class GroupAgent {
  readonly name: string
  readonly home: string
  readonly #config: Partial<ConfigFile>
  readonly #surroundings: Surroundings | undefined
  #open: { agent: Agent; stop: AbortController } | undefined
  #port: number

  constructor(name: string, home: string, { config, surroundings }: { config: Partial<ConfigFile>; surroundings?: Surroundings | undefined }) {
    this.#surroundings = surroundings
    this.name = name
    this.home = home
    this.#config = config
    this.#port = config.peerAddress?.port ?? 0
  }

  get id(): string {
    return this.#running.agent.id
  }

  get peerAddress(): string {
    return this.#running.agent.peerAddress
  }

  get #running() {
    if (this.#open === undefined) throw new TypeError(`${this.name} is not running`)
    return this.#open
  }

  /** On the port of its first start, unless it is to come up elsewhere. */
  async start({ elsewhere = false } = {}): Promise<this> {
    const home = homeAt(this.home)
    await mkdir(this.home, { recursive: true, mode: 0o700 })
    const config = withDefaults(configSchema.parse({
      offer: { quotaBytes: 5e10 }, ...this.#config, paneAddress: { port: 0 }, peerAddress: { port: elsewhere ? 0 : this.#port, host: this.#config.peerAddress?.host ?? '127.0.0.1' },
    }))
    const stop = new AbortController()
    this.#open = { stop, agent: await openAgent(home, { config, serve: true, testMachine: this.name, signal: stop.signal, surroundings: this.#surroundings }) }
    this.#port = Number(this.peerAddress.split(':').at(-1))
    return this
  }

  async stop(): Promise<void> {
    const open = this.#open
    this.#open = undefined
    open?.stop.abort()
    await open?.agent[Symbol.asyncDispose]()
  }

  async run<C extends CommandName>(name: C, input: CommandInput<C>, options: { polite?: boolean } = {}): Promise<CommandResult<C>> {
    const request = commands[name].request.parse(input)
    return await this.#running.agent.run(name, request as never, { signal: new AbortController().signal, onProgress: () => {}, ...options })
  }

  /** Asks until the answer is as wanted; fails after a minute. */
  async until<C extends CommandName>(name: C, input: CommandInput<C>, isWanted: (result: CommandResult<C>) => boolean): Promise<CommandResult<C>> {
    return await untilAnswer(async () => await this.run(name, input), isWanted, { what: `${this.name}: ${name}`, patienceMs, everyMs: 100 })
  }
}

export interface AgentGroup {
  readonly directory: string
  readonly roster: string
  /** The first is the founder. */
  readonly agents: readonly GroupAgent[]
  /** One more, in no group yet. */
  add(name: string): Promise<GroupAgent>
}

/** Ended and removed with the test. */
export async function startAgents(t: TestContext, machines: number, { redundancy = 'auto', config = {}, surroundings }: { redundancy?: string; config?: Partial<ConfigFile>; surroundings?: Surroundings } = {}): Promise<AgentGroup> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'holdfast-agents-')))
  const roster = join(directory, 'roster')
  const all: GroupAgent[] = []
  t.after(async () => {
    await Promise.all(all.map(async (agent) => { await agent.stop() }))
    await rm(directory, { recursive: true, force: true })
  })
  const add = async (name: string): Promise<GroupAgent> => {
    const agent = new GroupAgent(name, join(directory, name), { config, surroundings })
    all.push(agent)
    return await agent.start()
  }
  const agents: GroupAgent[] = []
  for (let number = 1; number <= machines; number++) agents.push(await add(`machine-${number}`))
  const [founder, ...others] = agents
  await founder?.run('network create', { name: 'Test', roster: `folder:${roster}`, redundancy, label: 'machine-1' })
  if (founder !== undefined && others.length > 0) {
    const { invitation } = await founder.run('network invite', { count: others.length })
    for (const other of others) await other.run('network join', { invitation, label: other.name })
  }
  return { directory, roster, agents, add }
}
