/** Windows: one PowerShell child that answers line by line, because starting one takes longer than a second. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type Interface, createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { powershell } from '../powershell.ts'
import { type Conditions, type ConditionsSource, unknownConditions } from './port.ts'

const script = fileURLToPath(new URL('conditions.ps1', import.meta.url))
const answerSchema = z.object({ idleSeconds: z.number().min(0).nullable(), onBattery: z.boolean().nullable(), isMetered: z.boolean().nullable() })
const patienceMs = 10_000
/** A child that does not do its work is tried again after so many looks. */
const restLooks = 300

type Child = ChildProcessByStdio<Writable, Readable, null>

export class WindowsConditions implements ConditionsSource {
  readonly #command: readonly string[]
  #open: { readonly child: Child; readonly lines: Interface } | undefined
  #rest = 0

  /** `command`: program and arguments that the script's path follows. */
  constructor(command: readonly string[] = powershell) {
    this.#command = command
  }

  async look(): Promise<Conditions> {
    if (this.#rest > 0) {
      this.#rest--
      return unknownConditions
    }
    try {
      const { child, lines } = this.#open ??= this.#start()
      const answer = once(lines, 'line', { signal: AbortSignal.timeout(patienceMs) })
      const ended = once(child, 'close').then(() => { throw new Error('it ended') })
      ended.catch(() => undefined)
      child.stdin.write('\n')
      const [line] = await Promise.race([answer, ended]) as [string]
      return answerSchema.parse(JSON.parse(line))
    } catch {
      this.#end()
      this.#rest = restLooks
      return unknownConditions
    }
  }

  #start(): { child: Child; lines: Interface } {
    const [file = '', ...args] = this.#command
    const child = spawn(file, [...args, script], { stdio: ['pipe', 'pipe', 'ignore'], windowsHide: true })
    child.on('error', () => child.emit('close'))
    child.stdin.on('error', () => undefined) // it ended: look() sees that
    return { child, lines: createInterface({ input: child.stdout }) }
  }

  #end(): void {
    this.#open?.lines.close()
    this.#open?.child.kill()
    this.#open = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end()
    await Promise.resolve()
  }
}
