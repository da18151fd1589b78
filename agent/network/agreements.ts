/**
 * Brings what owners and admins agreed on (membership/agreement.ts) to every holder: to who answers at once, to the others
 * when they come, also after a restart of this machine. Holders verify both signatures themselves and ignore what is older
 * than what they have, so telling somebody twice does no harm.
 */
import { z } from 'zod'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { type MachineId, machineIdSchema } from '../../shared/ids.ts'
import { maxRecordLength } from '../identity/jws.ts'
import { type Agreed, type Agreement, verifyAgreement } from './membership/agreement.ts'
import type { Membership } from './membership/membership.ts'
import type { Links } from './peer/links.ts'

/** So many owners' newest agreements are kept; the oldest go first. */
const maxKept = 64
const jws = z.string().max(maxRecordLength)
const fileSchema = z.object({ v: z.literal(1), agreements: z.array(z.object({ wish: jws, consent: jws, told: z.array(machineIdSchema) })).max(maxKept) })

export interface AgreementsOptions {
  readonly membership: Membership
  readonly links: Pick<Links, 'link'>
  /** Where it is kept whom this machine has told. */
  readonly file: { readonly read: () => string | undefined; readonly write: (text: string) => void }
  /** This machine's own holder takes it. */
  readonly take: (agreed: Agreed) => void
}

interface Kept {
  readonly agreement: Agreement
  readonly told: Set<MachineId>
}

export class Agreements {
  readonly #options: AgreementsOptions
  #kept: readonly Kept[]

  /** A damaged file counts as none. */
  constructor(options: AgreementsOptions) {
    this.#options = options
    this.#kept = parseFile(options.file.read()).map(({ wish, consent, told }) => ({ agreement: { wish, consent }, told: new Set(told) }))
  }

  /** To this machine's holder and to everybody who answers. Returns names. Throws `record-invalid`, `unauthorized`. */
  async deliver(agreement: Agreement, signal: AbortSignal): Promise<{ delivered: string[]; missing: string[] }> {
    const agreed = await this.#verify(agreement)
    this.#options.take(agreed)
    const kept = await this.#keep(agreement, agreed)
    const outcome = { delivered: [] as string[], missing: [] as string[] }
    await Promise.all(this.#options.membership.members().map(async ({ id, name }) => {
      const isTold = await this.#tell(id, kept, signal)
      outcome[isTold ? 'delivered' : 'missing'].push(name)
    }))
    this.#save()
    return outcome
  }

  /** To members that were not reached, or came since. What the group's admins do not stand for any more is told no further. */
  async deliverMissing(signal: AbortSignal): Promise<void> {
    const { membership } = this.#options
    for (const kept of this.#kept) {
      const lacking = membership.members().filter(({ id, state }) => state !== 'gone' && !kept.told.has(id))
      if (lacking.length === 0) continue
      if (await this.#verified(kept.agreement) === undefined) {
        this.#kept = this.#kept.filter((other) => other !== kept)
        continue
      }
      const told = await Promise.all(lacking.map(async ({ id }) => await this.#tell(id, kept, signal)))
      if (told.includes(true)) this.#save()
    }
  }

  async #tell(id: MachineId, { agreement, told }: Kept, signal: AbortSignal): Promise<boolean> {
    try {
      await (await this.#options.links.link(id, signal)).call('retention.agree', agreement, { signal })
      told.add(id)
      return true
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof HoldfastError)) throw error
      return false
    }
  }

  /** The newest of each owner. The same once more is told to everybody once more. */
  async #keep(agreement: Agreement, { owner, signed }: Pick<Agreed, 'owner' | 'signed'>): Promise<Kept> {
    const fresh: Kept = { agreement, told: new Set() }
    const replaced: Kept[] = []
    for (const kept of this.#kept) {
      const other = await this.#verified(kept.agreement)
      if (other?.owner === owner && other.signed > signed) return fresh // holders ignore it: it is told now and never again
      if (other === undefined || other.owner === owner) replaced.push(kept)
    }
    this.#kept = [...this.#kept.filter((kept) => !replaced.includes(kept)), fresh].slice(-maxKept)
    return fresh
  }

  async #verify(agreement: Agreement): Promise<Agreed> {
    const { membership } = this.#options
    return await verifyAgreement(agreement, { net: membership.net, isAdmin: (key) => membership.chain.isAdmin(key) })
  }

  async #verified(agreement: Agreement): Promise<Agreed | undefined> {
    try {
      return await this.#verify(agreement)
    } catch (error) {
      if (hasCode(error, 'record-invalid', 'unauthorized', 'format-unknown')) return undefined
      throw error
    }
  }

  #save(): void {
    this.#options.file.write(JSON.stringify({ v: 1, agreements: this.#kept.map(({ agreement, told }) => ({ ...agreement, told: [...told] })) }))
  }
}

function parseFile(text: string | undefined): z.infer<typeof fileSchema>['agreements'] {
  try {
    return fileSchema.parse(JSON.parse(text ?? '')).agreements
  } catch {
    return []
  }
}
