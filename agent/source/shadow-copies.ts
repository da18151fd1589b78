/**
 * Files that another program has locked, read as they were at one moment: volume shadow copies of Windows.
 *
 * Outlook keeps a byte-range lock on an archive that it has open: the file opens, and reading it fails (EBUSY). The first
 * such file of a run makes a shadow copy of its volume, the others on that volume share it, and it is removed when the
 * run ends; what a killed run left is removed at the next start, by the list in `record`. Making one needs an agent with administrator's rights.
 * Outlook has no writer for shadow copies, so the copy is what a power cut would leave: for an archive that is a whole
 * state, because it is changed by copy on write (outlook-archive.ts), and the check of its structure follows every reading.
 *
 * Not yet tried on a real Windows machine (docs/operations.md).
 */
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { HoldfastError } from '../../shared/errors.ts'
import { type KeptText, parseKept } from '../kept-text.ts'
import { askPowerShell } from '../powershell.ts'

/** Where a locked file can be read; there are none on systems without shadow copies. */
export interface ShadowCopies extends AsyncDisposable {
  /** The same file in a shadow copy. Throws `file-unreadable` when none can be made, which says what to do. */
  pathOf(path: string, signal: AbortSignal): Promise<string>
}

export interface ShadowCopyOptions {
  /** Ids of shadow copies that exist because of us; survives a crash. */
  readonly record: KeptText
  /** What runs the script; default: Windows PowerShell. */
  readonly command?: readonly string[] | undefined
}

/** Windows lets one program make a shadow copy at a time; the script waits for its turn. */
const makeMs = 180_000
const script = fileURLToPath(new URL('./shadow-copy.ps1', import.meta.url))
const idSchema = z.string().regex(/^\{[0-9A-Fa-f-]{36}\}$/)
const recordSchema = z.array(idSchema).catch([])
const answerSchema = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('made'), id: idSchema, volume: z.string().min(1), device: z.string().regex(/^\\\\\?\\GLOBALROOT\\Device\\[\w]+$/) }),
  z.object({ outcome: z.literal('removed') }),
  z.object({ outcome: z.literal('rights'), elevated: z.boolean() }),
  z.object({ outcome: z.enum(['denied', 'no-volume', 'no-space']) }),
  z.object({ outcome: z.literal('failed'), problem: z.string() }),
])
type Answer = z.infer<typeof answerSchema>

const refusals: Readonly<Record<string, string>> = {
  'denied': 'another program has it open, and the agent may not make shadow copies; close that program, or let the agent run with the highest privileges (docs/operations.md)',
  'no-volume': 'another program has it open, and there are no shadow copies where it lies; close that program',
  'no-space': 'another program has it open, and Windows has no space for a shadow copy; close that program, or free space',
}

export class WindowsShadowCopies implements ShadowCopies {
  readonly #options: ShadowCopyOptions
  readonly #copies = new Map<string, Promise<Extract<Answer, { outcome: 'made' }>>>()

  constructor(options: ShadowCopyOptions) {
    this.#options = options
  }

  async pathOf(path: string, signal: AbortSignal): Promise<string> {
    const root = /^[A-Za-z]:\\/.exec(path)?.[0].toUpperCase()
    if (root === undefined) throw refused(path, 'no-volume')
    const making = this.#copies.get(root) ?? this.#make(path, signal)
    this.#copies.set(root, making)
    const { volume, device } = await making
    // A folder may be another volume: then the drive's shadow copy does not have the file.
    if (!path.toUpperCase().startsWith(volume.toUpperCase())) throw refused(path, 'no-volume')
    return `${device}\\${path.slice(volume.length)}`
  }

  async #make(path: string, signal: AbortSignal): Promise<Extract<Answer, { outcome: 'made' }>> {
    const answer = await ask({ verb: 'make', path }, { signal, timeoutMs: makeMs, command: this.#options.command }, path)
    if (answer.outcome !== 'made') throw refused(path, answer.outcome, answer)
    this.#record([...this.#recorded(), answer.id])
    return answer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const made = (await Promise.allSettled(this.#copies.values())).flatMap((one) => (one.status === 'fulfilled' ? [one.value.id] : []))
    this.#copies.clear()
    await this.#remove(made)
  }

  /** Removes what a run that was killed left behind; what cannot be removed now stays in the record. */
  async removeLeftovers(): Promise<void> {
    await this.#remove(this.#recorded())
  }

  async #remove(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const answer = await ask({ verb: 'remove', id }, { command: this.#options.command }, id).catch(() => undefined)
      if (answer?.outcome === 'removed') this.#record(this.#recorded().filter((other) => other !== id))
    }
  }

  #recorded(): string[] {
    return parseKept(this.#options.record.read(), recordSchema) ?? [] // a damaged list: Windows itself removes the oldest copies when space is short
  }

  #record(ids: readonly string[]): void {
    this.#options.record.write(JSON.stringify(ids))
  }
}

/** Whether this process may make shadow copies; undefined when that cannot be found out. */
export async function mayMakeShadowCopies(signal: AbortSignal, command?: readonly string[]): Promise<boolean | undefined> {
  const answer = await ask({ verb: 'rights' }, { signal, command }, 'rights').catch(() => undefined)
  signal.throwIfAborted()
  return answer?.outcome === 'rights' ? answer.elevated : undefined
}

async function ask(request: object, options: Parameters<typeof askPowerShell>[2], path: string): Promise<Answer> {
  const answer = await askPowerShell(script, request, options).catch((cause: unknown) => {
    options?.signal?.throwIfAborted()
    throw refused(path, 'failed', { problem: cause instanceof Error ? cause.message : 'unknown' }, cause)
  })
  const parsed = answerSchema.safeParse(answer)
  if (!parsed.success) throw refused(path, 'failed', { problem: 'PowerShell did not answer as it should' }, parsed.error)
  return parsed.data
}

function refused(path: string, outcome: string, answer: object = {}, cause?: unknown): HoldfastError {
  const problem = 'problem' in answer && typeof answer.problem === 'string' ? answer.problem.slice(0, 300) : outcome
  const state = refusals[outcome] ?? `another program has it open, and no shadow copy could be made (${problem}); close that program`
  return new HoldfastError('file-unreadable', `Cannot read ${path}: ${state}`, { details: { path, reason: 'no-shadow-copy' }, cause })
}
