/**
 * Two halves of a work group, each in a network namespace of its own, with one cable between them that can be pulled:
 * the kernel's own network, so what hangs, times out or is refused does so as it does between two buildings.
 */
import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { CommandInput, CommandName, CommandResult } from '../../shared/api.ts'
import type { HalfReply, HalfRequest } from './agents-in-namespace.ts'
import { untilAnswer } from './until-answer.ts'

const program = fileURLToPath(new URL('agents-in-namespace.ts', import.meta.url))
const patienceMs = 120_000

/** Why the tests that need it are skipped; undefined when it can run. */
export function missingForNamespaces(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'network namespaces need root on Linux'
  if (spawnSync('ip', ['-V']).status !== 0) return 'iproute2 is not installed'
  const probe = `hf${process.pid}probe`
  if (spawnSync('ip', ['netns', 'add', probe]).status !== 0) return 'this system lets nobody make network namespaces'
  spawnSync('ip', ['netns', 'delete', probe])
  return undefined
}

export class NamespaceAgent {
  readonly name: string
  readonly home: string
  #half: Half | undefined
  #id = ''

  constructor(name: string, home: string) {
    this.name = name
    this.home = home
  }

  get id(): string {
    return this.#id
  }

  async start(half: Half, host: string): Promise<void> {
    this.#half = half
    this.#id = await half.ask({ start: { name: this.name, home: this.home, host } }) as string
  }

  async run<C extends CommandName>(run: C, input: CommandInput<C>): Promise<CommandResult<C>> {
    return await this.#half?.ask({ of: this.name, run, input }) as CommandResult<C>
  }

  /** Asks until the answer is as wanted; fails after two minutes. */
  async until<C extends CommandName>(name: C, input: CommandInput<C>, isWanted: (result: CommandResult<C>) => boolean): Promise<CommandResult<C>> {
    return await untilAnswer(async () => await this.run(name, input), isWanted, { what: `${this.name}: ${name}`, patienceMs, everyMs: 200 })
  }
}

class Half {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  #next = 1

  constructor(namespace: string) {
    this.#child = fork(program, { execPath: 'ip', execArgv: ['netns', 'exec', namespace, process.execPath, '--disable-warning=ExperimentalWarning'], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#child.on('message', ({ id, result, problem }: HalfReply) => {
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (problem === undefined) waiting?.resolve(result)
      else waiting?.reject(new Error(`${namespace}: ${JSON.stringify(problem)}`))
    })
    this.#child.once('exit', () => { for (const { reject } of this.#waiting.values()) reject(new Error(`${namespace}: the process ended`)) })
  }

  async ask(request: HalfRequest extends infer R ? R extends { id: number } ? Omit<R, 'id'> : never : never): Promise<unknown> {
    const id = this.#next++
    const waiting = Promise.withResolvers<unknown>()
    this.#waiting.set(id, waiting)
    this.#child.send({ id, ...request })
    return await waiting.promise
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }
}

export class NetworkHalves implements AsyncDisposable {
  readonly #namespaces: readonly [string, string]
  readonly #agents: [NamespaceAgent[], NamespaceAgent[]] = [[], []]
  #halves: readonly [Half, Half]
  #network = 99

  constructor() {
    const mark = `hf${process.pid.toString(36)}`
    this.#namespaces = [`${mark}a`, `${mark}b`]
    for (const namespace of this.#namespaces) {
      ip('netns', 'add', namespace)
      ip('-n', namespace, 'link', 'set', 'lo', 'up')
    }
    const [one, other] = this.#namespaces
    ip('-n', one, 'link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'cable', 'netns', other)
    this.#setAddresses()
    this.heal()
    this.#halves = [new Half(one), new Half(other)]
  }

  /** Agent `number` (1, 2) of side 0 or 1, at an address of its own. */
  async start(side: 0 | 1, number: 1 | 2, home: string): Promise<NamespaceAgent> {
    const agent = new NamespaceAgent(`machine-${side}-${number}`, home)
    this.#agents[side].push(agent)
    await agent.start(this.#halves[side], this.#addressOf(side, agent))
    return agent
  }

  /** The cable is pulled, and nothing else: who has a connection over it hears nothing more. */
  pull(): void {
    ip('-n', this.#namespaces[0], 'link', 'set', 'cable', 'down')
  }

  /** The cable is pulled, and all machines lose power and start again: no connection from before is left. */
  async part(): Promise<void> {
    this.pull()
    await this.#powerOff()
    await this.#powerOn()
  }

  /** All machines lose power, and start again in a network with other addresses. */
  async move(): Promise<void> {
    await this.#powerOff()
    this.#network--
    for (const namespace of this.#namespaces) ip('-n', namespace, '-4', 'address', 'flush', 'dev', 'cable')
    this.#setAddresses()
    await this.#powerOn()
  }

  async #powerOff(): Promise<void> {
    await Promise.all(this.#halves.map(async (half) => { await half.kill() }))
  }

  async #powerOn(): Promise<void> {
    const [one, other] = this.#namespaces
    this.#halves = [new Half(one), new Half(other)]
    await Promise.all(([0, 1] as const).map(async (side) => { for (const agent of this.#agents[side]) await agent.start(this.#halves[side], this.#addressOf(side, agent)) }))
  }

  #setAddresses(): void {
    for (const [side, namespace] of this.#namespaces.entries()) {
      for (const number of [1, 2]) ip('-n', namespace, 'address', 'add', `${addressOf(this.#network, side, number)}/16`, 'dev', 'cable')
    }
  }

  #addressOf(side: 0 | 1, agent: NamespaceAgent): string {
    return addressOf(this.#network, side, this.#agents[side].indexOf(agent) + 1)
  }

  heal(): void {
    for (const namespace of this.#namespaces) ip('-n', namespace, 'link', 'set', 'cable', 'up')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#powerOff()
    for (const namespace of this.#namespaces) ip('netns', 'delete', namespace)
  }
}

function addressOf(network: number, side: number, number: number): string {
  return `10.${network}.${side + 1}.${number}`
}

function ip(...args: readonly string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`)
}
