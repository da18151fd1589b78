/** macOS: the idle time that the input system keeps, and where the power comes from. What is metered it tells no program. */
import { type RunTool, runTool } from '../run-tool.ts'
import type { Conditions, ConditionsSource } from './port.ts'

export class MacosConditions implements ConditionsSource {
  readonly #run: RunTool

  constructor(run: RunTool = runTool) {
    this.#run = run
  }

  async look(): Promise<Conditions> {
    const [input, power] = await Promise.all([this.#run('ioreg', ['-c', 'IOHIDSystem', '-d', '4']), this.#run('pmset', ['-g', 'batt'])])
    const idle = /"HIDIdleTime" = (\d+)/.exec(input.stdout)?.[1]
    const source = /Now drawing from '([^']+)'/.exec(power.stdout)?.[1]
    return { idleSeconds: idle === undefined ? null : Number(idle) / 1e9, onBattery: source === undefined ? null : source === 'Battery Power', isMetered: null }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.resolve()
  }
}
