/**
 * A directory by ADSI, through a PowerShell child: on Windows the account that the agent runs as (the user, or the computer
 * for a service) is signed in already, and no password is stored. One child for each call; it reads one JSON request from
 * stdin and answers one JSON document (adsi.ps1). Not yet tried on a real Windows machine (docs/operations.md).
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { HoldfastError } from '../../../shared/errors.ts'
import { type Directory, type DirectoryPlace, type DirectoryRecord, type DirectoryState, type Options, rosterKeyword } from './directory.ts'

const script = fileURLToPath(new URL('./adsi.ps1', import.meta.url))
const powershell: readonly string[] = ['powershell.exe', '-NoLogo', '-NoProfile', '-NonInteractive', '-ExecutionPolicy', 'Bypass', '-File', script]
const callMs = 60_000
const maxAnswerBytes = 128 * 1024 * 1024

const answerSchema = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('state'), service: z.string().min(1), usn: z.string().regex(/^\d+$/) }),
  z.object({ outcome: z.literal('records'), records: z.array(z.object({ name: z.string(), text: z.string() })) }),
  z.object({ outcome: z.enum(['done', 'created', 'exists', 'missing']) }),
  z.object({ outcome: z.literal('failed'), problem: z.string() }),
])
type Answer = z.infer<typeof answerSchema>

export class AdsiDirectory implements Directory {
  readonly #place: DirectoryPlace
  readonly #command: readonly string[]

  constructor(place: DirectoryPlace, command = powershell) {
    this.#place = place
    this.#command = command
  }

  async state(options: Options = {}): Promise<DirectoryState> {
    const answer = await this.#ask({ verb: 'state' }, options)
    if (answer.outcome !== 'state') throw this.#unavailable('it gave no state')
    return { service: answer.service, usn: answer.usn }
  }

  async search(since: string | undefined, limit: number, options: Options = {}): Promise<DirectoryRecord[]> {
    const answer = await this.#ask({ verb: 'search', since: since === undefined ? null : String(BigInt(since) + 1n), limit }, options)
    if (answer.outcome !== 'records') throw this.#unavailable('it gave no records')
    return answer.records.slice(0, limit)
  }

  async prepare(options: Options = {}): Promise<void> {
    await this.#ask({ verb: 'prepare' }, options)
  }

  async add(record: DirectoryRecord, options: Options = {}): Promise<'created' | 'exists'> {
    const { outcome } = await this.#ask({ verb: 'add', ...record }, options)
    if (outcome !== 'created' && outcome !== 'exists') throw this.#unavailable(`it answered ${outcome}`)
    return outcome
  }

  async replace(record: DirectoryRecord, options: Options = {}): Promise<boolean> {
    return (await this.#ask({ verb: 'replace', ...record }, options)).outcome === 'done'
  }

  async remove(name: string, options: Options = {}): Promise<void> {
    await this.#ask({ verb: 'remove', name }, options)
  }

  async #ask(request: object, { signal }: Options): Promise<Exclude<Answer, { outcome: 'failed' }>> {
    const { url, container, label } = this.#place
    const { host } = new URL(url)
    const text = await this.#run(JSON.stringify({ ...request, server: host, container: container ?? null, keyword: rosterKeyword(label), label }), signal)
    let answer: Answer
    try {
      answer = answerSchema.parse(JSON.parse(text))
    } catch (cause) {
      throw this.#unavailable('PowerShell did not answer as it should', cause)
    }
    if (answer.outcome === 'failed') throw this.#unavailable(answer.problem.slice(0, 300))
    return answer
  }

  async #run(request: string, signal: AbortSignal | undefined): Promise<string> {
    signal?.throwIfAborted()
    const [file = '', ...args] = this.#command
    const until = AbortSignal.any([...(signal === undefined ? [] : [signal]), AbortSignal.timeout(callMs)])
    try {
      const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'ignore'], windowsHide: true, signal: until })
      const parts: Buffer[] = []
      let bytes = 0
      child.stdout.on('data', (part: Buffer) => {
        bytes += part.length
        if (bytes > maxAnswerBytes) child.kill()
        else parts.push(part)
      })
      child.stdin.on('error', () => undefined) // it ended early: its exit says why
      child.stdin.end(request)
      await once(child, 'close')
      return Buffer.concat(parts).toString('utf8')
    } catch (cause) {
      signal?.throwIfAborted()
      throw this.#unavailable(until.aborted ? 'no answer in time' : 'PowerShell could not be started', cause)
    }
  }

  #unavailable(state: string, cause?: unknown): HoldfastError {
    return new HoldfastError('roster-unavailable', `Cannot use the roster ${this.#place.locator}: ${state}`, { details: { locator: this.#place.locator, state }, cause })
  }
}
