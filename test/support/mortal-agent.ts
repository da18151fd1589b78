/** An agent process that is killed with SIGKILL at a numbered step of its work (kill-at.mjs), and started again on its home. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { AgentProcess } from '../../agent/demo/agent-process.ts'
import { untilAnswer } from './until-answer.ts'

const preload = pathToFileURL(join(import.meta.dirname, 'kill-at.mjs')).href

export class MortalAgent implements AsyncDisposable {
  readonly home: string
  readonly #name: string
  #process: AgentProcess | undefined

  private constructor(name: string, home: string) {
    this.#name = name
    this.home = home
  }

  static async start(name: string, home: string): Promise<MortalAgent> {
    const agent = new MortalAgent(name, home)
    await agent.restart()
    return agent
  }

  /** Ends it, if it still runs, and starts it on its home. */
  async restart(): Promise<void> {
    await this.#process?.kill()
    this.#process = await AgentProcess.start({
      home: this.home, machine: this.#name, environment: { NODE_OPTIONS: `--import ${preload}`, HOLDFAST_TEST_KILL_FILE: this.#killFile },
    })
  }

  get process(): AgentProcess {
    if (this.#process === undefined) throw new TypeError(`${this.#name} was not started`)
    return this.#process
  }

  get #killFile(): string {
    return join(this.home, 'kill-at')
  }

  /** It dies at the `step`-th step from now on (1: the first; 0: never). Resolves to the steps since it was asked before. */
  async dieAt(step: number): Promise<number> {
    const answer = `${this.#killFile}.counted`
    rmSync(answer, { force: true })
    writeFileSync(this.#killFile, String(step))
    process.kill(this.process.pid, 'SIGUSR2')
    const read = async (): Promise<string> => {
      try {
        return readFileSync(answer, 'utf8')
      } catch {
        return ''
      }
    }
    // Dead before it could answer is an answer too: the step came at once.
    const counted = await untilAnswer(read, (text) => text !== '' || !this.process.isRunning, { what: `${this.#name}: steps`, patienceMs: 30_000, everyMs: 5 })
    return Number(counted)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process?.kill()
  }
}
