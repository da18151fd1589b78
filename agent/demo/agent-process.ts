/** An agent as a process of its own, on a home of its own: what the demo, the end-to-end tests and the bench run. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { CommandInput, CommandName, CommandResult, Progress } from '../../shared/api.ts'
import { commands } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { homeAt } from '../home.ts'
import { agentRunner } from '../http/agent-client.ts'
import { parseRuntime } from '../http/runtime-file.ts'
import { commandLine, launcherArguments, launcherEnvironment } from '../launching.ts'

export interface AgentProcessOptions {
  readonly home: string
  /** Shown as a simulated machine of this name. */
  readonly machine: string
  readonly quota?: string
  /** Any free one without it. */
  readonly panePort?: number
  readonly environment?: NodeJS.ProcessEnv
}

interface Ready {
  readonly id: string
  readonly pane: string
  readonly peer: string
}

export class AgentProcess implements AsyncDisposable {
  readonly home: string
  readonly machine: string
  readonly ready: Ready
  readonly #child: ChildProcess

  private constructor(options: AgentProcessOptions, child: ChildProcess, ready: Ready) {
    this.home = options.home
    this.machine = options.machine
    this.ready = ready
    this.#child = child
  }

  /** Resolves when the agent says that it is ready. Throws `agent-not-running` with the end of its log when it ends before. */
  static async start(options: AgentProcessOptions): Promise<AgentProcess> {
    await mkdir(options.home, { recursive: true })
    const log = openSync(join(options.home, 'stderr.log'), 'a')
    const child = spawn(process.execPath, [
      ...launcherArguments, commandLine, 'agent', '--home', options.home, '--json', '--pane-port', String(options.panePort ?? 0), '--peer-port', '0',
      '--peer-host', '127.0.0.1', '--quota', options.quota ?? '50GB', '--test-machine', options.machine,
    ], { stdio: ['ignore', 'pipe', log], env: { ...launcherEnvironment, ...process.env, ...options.environment } })
    closeSync(log)
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
    const first = await Promise.race([once(lines, 'line').then(([line]) => String(line)), once(child, 'exit').then(() => undefined)])
    const ready = first === undefined ? undefined : JSON.parse(first) as Ready | { problem: unknown }
    if (ready === undefined || 'problem' in ready) {
      const said = readFileSync(join(options.home, 'stderr.log'), 'utf8').slice(-2000)
      throw new HoldfastError('agent-not-running', `Cannot start ${options.machine}: ${said.trim()}`)
    }
    lines.resume()
    return new AgentProcess(options, child, ready)
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  async run<C extends CommandName>(name: C, input: CommandInput<C>, options: { signal?: AbortSignal; onProgress?: (progress: Progress) => void } = {}): Promise<CommandResult<C>> {
    const runtime = parseRuntime(readFileSync(homeAt(this.home).runtime, 'utf8'))
    const request = commands[name].request.parse(input)
    return await agentRunner(runtime)(name, request as never, { signal: options.signal ?? new AbortController().signal, onProgress: options.onProgress ?? (() => {}) })
  }

  /** SIGKILL: the machine is gone from one instant to the next. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (!this.isRunning) return
    const ended = once(this.#child, 'exit')
    this.#child.kill(signal)
    await ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}
