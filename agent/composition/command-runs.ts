/**
 * Runs commands: those that must not overlap one after the other, the others beside them. Whoever listens hears of every
 * run, whoever started it (the command line, the pane, a trigger), and may cancel it by its id.
 */
import { randomUUID } from 'node:crypto'
import { type CommandName, type CommandRequest, type CommandResult, type RunEnded, type RunEvent, type RunState, questions } from '../../shared/api.ts'
import { HoldfastError, toProblem } from '../../shared/errors.ts'
import type { RunCommand, RunOptions } from '../commands/command.ts'

/** Commands that take long, which a person may wait for. */
const long: ReadonlySet<CommandName> = new Set(['restore', 'verify', 'audit', 'drill', 'recovery-contact snapshots', 'recovery-contact restore', 'handed-over snapshots', 'handed-over ls', 'handed-over restore'])
/** Commands that change the backup wait for each other. */
const exclusive: ReadonlySet<CommandName> = new Set(['network create', 'network join', 'backup', 'repair', 'forget', 'prune', 'recover'])

/** So many ends of each command are kept for panes that were away. */
const keptEnds = 3

export type PerformCommand = <C extends CommandName>(name: C, request: CommandRequest<C>, options: RunOptions) => Promise<CommandResult<C>> | CommandResult<C>

interface Run {
  state: RunState
  readonly controller: AbortController
  /** It started by itself: nobody waits for it. */
  readonly isPolite: boolean
}

export class CommandRuns implements AsyncDisposable {
  readonly #perform: PerformCommand
  readonly #stop: AbortSignal
  readonly #stopping = new AbortController()
  readonly #runs = new Map<string, Run>()
  readonly #ends = new Map<string, Promise<unknown>>()
  readonly #listeners = new Set<(event: RunEvent) => void>()
  #ended: readonly RunEnded[] = []
  #turn: Promise<unknown> = Promise.resolve()

  /** Runs are cancelled when `stop` aborts, and at the end. */
  constructor(perform: PerformCommand, stop: AbortSignal) {
    this.#perform = perform
    this.#stop = AbortSignal.any([stop, this.#stopping.signal])
  }

  /** What is queued or under way, oldest first. */
  get states(): readonly RunState[] {
    return [...this.#runs.values()].map(({ state }) => state)
  }

  /** How the last runs of each command ended, oldest first; not of those that only ask. */
  get ended(): readonly RunEnded[] {
    return this.#ended
  }

  /** The exclusive command under way. */
  get busyWith(): CommandName | undefined {
    return this.states.find(({ name, stage }) => exclusive.has(name) && stage !== 'queued')?.name
  }

  /** Somebody waits for long work that is under way or queued behind what is. */
  get isHurried(): boolean {
    return [...this.#runs.values()].some(({ state, isPolite }) => !isPolite && (exclusive.has(state.name) || long.has(state.name)))
  }

  /** Returns what ends the subscription. */
  subscribe(listener: (event: RunEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** False when there is no such run (any more). */
  cancel(id: string): boolean {
    const run = this.#runs.get(id)
    run?.controller.abort(new HoldfastError('cancelled', `Cannot finish ${run.state.name}: it was cancelled`))
    return run !== undefined
  }

  readonly run: RunCommand = async (name, request, options) => {
    const id = randomUUID()
    const controller = new AbortController()
    const signal = AbortSignal.any([options.signal, controller.signal, this.#stop])
    this.#runs.set(id, { state: { id, name, startedAt: new Date().toISOString(), stage: exclusive.has(name) ? 'queued' : 'running' }, controller, isPolite: options.polite === true })
    if (exclusive.has(name)) this.#tell(id, {})
    const onProgress: RunOptions['onProgress'] = (progress) => {
      this.#tell(id, { stage: progress.stage, progress })
      options.onProgress(progress)
    }
    const perform = async () => {
      signal.throwIfAborted()
      this.#tell(id, { stage: 'running' })
      return await this.#perform(name, request, { signal, onProgress })
    }
    const work = exclusive.has(name) ? this.#inTurn(perform) : perform()
    this.#ends.set(id, this.#finish(id, work).finally(() => { this.#ends.delete(id) }))
    return await work
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.catch(() => {}).then(work)
    this.#turn = turn
    return await turn
  }

  #tell(id: string, change: Partial<RunState>): void {
    const run = this.#runs.get(id)
    if (run === undefined) return
    run.state = { ...run.state, ...change }
    this.#emit({ type: 'run', run: run.state })
  }

  async #finish(id: string, work: Promise<unknown>): Promise<void> {
    const outcome = await work.then((result) => ({ result, problem: null }), (error: unknown) => ({ result: null, problem: toProblem(error) }))
    const run = this.#runs.get(id)
    this.#runs.delete(id)
    if (run === undefined) return
    const ended: RunEnded = { type: 'ended', id, name: run.state.name, ...outcome }
    if (!questions.has(ended.name)) this.#keep(ended)
    this.#emit(ended)
  }

  #keep(ended: RunEnded): void {
    const [oldest] = this.#ended.filter(({ name }) => name === ended.name).slice(0, 1 - keptEnds)
    this.#ended = [...this.#ended.filter((one) => one !== oldest), ended]
  }

  #emit(event: RunEvent): void {
    for (const listener of this.#listeners) listener(event)
  }

  /** Cancels the long ones that run beside others, and waits for their end. */
  async endLong(why: string): Promise<void> {
    await Promise.all([...this.#runs].filter(([, { state }]) => long.has(state.name)).map(async ([id, { controller, state }]) => {
      controller.abort(new HoldfastError('cancelled', `Cannot finish ${state.name}: ${why}`))
      await this.#ends.get(id)
    }))
  }

  /** Cancels what is under way and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new HoldfastError('cancelled', 'Cannot finish: the agent is stopping'))
    await Promise.all(this.#ends.values())
  }
}
