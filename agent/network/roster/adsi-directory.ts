/**
 * A directory by ADSI, through a PowerShell child: on Windows the account that the agent runs as (the user, or the computer
 * for a service) is signed in already, and no password is stored. One child for each call; it reads one JSON request from
 * stdin and answers one JSON document (adsi.ps1). Not yet tried on a real Windows machine (docs/operations.md).
 */
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { HoldfastError } from '../../../shared/errors.ts'
import { askPowerShell, powershell } from '../../powershell.ts'
import { type Directory, type DirectoryPlace, type DirectoryRecord, type DirectoryState, type Options, rosterKeyword } from './directory.ts'

const script = fileURLToPath(new URL('./adsi.ps1', import.meta.url))

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
    const answer = await askPowerShell(script, { ...request, server: host, container: container ?? null, keyword: rosterKeyword(label), label }, { signal, command: this.#command })
      .catch((cause: unknown) => {
        signal?.throwIfAborted()
        throw this.#unavailable(cause instanceof Error ? cause.message : 'unknown', cause)
      })
    const parsed = answerSchema.safeParse(answer)
    if (!parsed.success) throw this.#unavailable('PowerShell did not answer as it should', parsed.error)
    if (parsed.data.outcome === 'failed') throw this.#unavailable(parsed.data.problem.slice(0, 300))
    return parsed.data
  }

  #unavailable(state: string, cause?: unknown): HoldfastError {
    return new HoldfastError('roster-unavailable', `Cannot use the roster ${this.#place.locator}: ${state}`, { details: { locator: this.#place.locator, state }, cause })
  }
}
