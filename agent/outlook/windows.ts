/**
 * Classic Outlook by its object model (COM), through a PowerShell child (outlook.ps1): NameSpace.AddStore adds an archive to
 * the profile, Folder.Display shows it. The new Outlook has no object model. Outlook's works only within the session of the person
 * who uses it and with the same rights (https://learn.microsoft.com/outlook/troubleshoot/user-interface/outlook-object-model-unsuitable-to-run-in-windows-service).
 * Cancelling ends the child; Outlook itself goes on with what it began. Not yet tried on a real Windows machine (docs/operations.md).
 */
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { HoldfastError } from '../../shared/errors.ts'
import { askPowerShell, powershell } from '../powershell.ts'
import type { OpenedArchive, Outlook, OutlookObstacle } from './port.ts'

const script = fileURLToPath(new URL('./outlook.ps1', import.meta.url))
/** Outlook may have to start, which takes long with a large mailbox. */
const openMs = 120_000
const lookMs = 20_000

const answerSchema = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('free') }),
  z.object({ outcome: z.literal('opened'), name: z.string().max(1_000), wasOpen: z.boolean() }),
  z.object({ outcome: z.enum(['no-session', 'not-installed', 'rights', 'asking', 'missing', 'in-use', 'denied']) }),
  z.object({ outcome: z.literal('failed'), problem: z.string() }),
])
type Answer = z.infer<typeof answerSchema>

const obstacles: Readonly<Record<string, string>> = {
  'no-session': 'the agent runs outside the session of a person, as a service does, and cannot reach anybody\'s Outlook; let it start at log-on (holdfast autostart on), or open the archive by hand',
  'not-installed': 'classic Outlook is not installed here, and the new Outlook can be asked by no other program; open the archive by hand',
  'rights': 'one of Outlook and the agent runs with an administrator\'s rights and the other without; open the archive by hand',
}
const refusals: Readonly<Record<string, string>> = {
  ...obstacles,
  'asking': 'Outlook waits for an answer in one of its windows; answer there, then try again',
}
const faults: Readonly<Record<string, string>> = {
  'missing': 'it is not there any more',
  'in-use': 'another program has it open; close that program',
  'denied': 'Outlook writes to an archive that it opens, and you may not write to this one; copy it to a folder of yours',
}

export class WindowsOutlook implements Outlook {
  readonly #command: readonly string[]
  readonly #openMs: number

  /** `command`: program and arguments that the script's path follows. */
  constructor({ command = powershell, timeoutMs = openMs }: { command?: readonly string[]; timeoutMs?: number } = {}) {
    this.#command = command
    this.#openMs = timeoutMs
  }

  async obstacle(signal: AbortSignal): Promise<OutlookObstacle | undefined> {
    const answer = await this.#ask({ verb: 'look' }, { signal, timeoutMs: Math.min(lookMs, this.#openMs) })
    if (answer.outcome === 'free') return undefined
    if (answer.outcome === 'no-session' || answer.outcome === 'not-installed' || answer.outcome === 'rights') return { reason: answer.outcome, detail: obstacles[answer.outcome] as string }
    return { reason: 'unknown', detail: `Windows does not say whether it can (${answer.outcome === 'failed' ? answer.problem.slice(0, 300) : answer.outcome}); open the archive by hand` }
  }

  async openArchive(path: string, signal: AbortSignal): Promise<OpenedArchive> {
    const answer = await this.#ask({ verb: 'open', path }, { signal, timeoutMs: this.#openMs })
    if (answer.outcome === 'opened') return { name: answer.name, wasOpen: answer.wasOpen }
    const fault = faults[answer.outcome]
    if (fault !== undefined) throw new HoldfastError('file-unreadable', `Cannot open ${path} in Outlook: ${fault}`, { details: { path, reason: answer.outcome } })
    const state = refusals[answer.outcome] ?? (answer.outcome === 'failed' ? answer.problem.slice(0, 300) : 'it did not answer as it should')
    throw new HoldfastError('outlook-unavailable', `Cannot open ${path} in Outlook: ${state}`, { details: { path, reason: answer.outcome } })
  }

  async #ask(request: object, { signal, timeoutMs }: { signal: AbortSignal; timeoutMs: number }): Promise<Answer> {
    const answer = await askPowerShell(script, request, { signal, timeoutMs, command: this.#command }).catch((cause: unknown) => {
      signal.throwIfAborted()
      return { outcome: 'failed', problem: cause instanceof Error ? cause.message : 'unknown' }
    })
    return answerSchema.safeParse(answer).data ?? { outcome: 'failed', problem: 'PowerShell did not answer as it should' }
  }
}
