/**
 * Brings what owners and admins agreed on (membership/agreement.ts) to every holder: to who answers at once, to the others
 * when they come, also after a restart of this machine. Holders verify both signatures themselves and ignore what is older
 * than what they have, so telling somebody twice does no harm.
 *
 * The heads that were meant go with it: a holder that was off knows only a later one by then, and without the head in between
 * cannot tell what was agreed on from what came after. The owner's machine has them since it asked for the agreement, and
 * tells too once it hears that an admin agreed; the admin's machine has them when it is a holder.
 */
import { z } from 'zod'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { type MachineId, type OwnerId, machineIdSchema } from '../../shared/ids.ts'
import { maxRecordLength } from '../identity/jws.ts'
import { type KeptText, parseKept } from '../kept-text.ts'
import type { PublishedHead } from '../object-store.ts'
import { type Agreed, type Agreement, verifyAgreement } from './membership/agreement.ts'
import type { Membership } from './membership/membership.ts'
import { peekHead } from './peer/head-intake.ts'
import type { Links } from './peer/links.ts'

/** So many owners' newest agreements are kept; the oldest go first. */
const maxKept = 64
const maxAsked = 4
const jws = z.string().max(maxRecordLength)
const headsSchema = z.array(z.object({ certificate: jws, head: jws, live: z.base64() })).max(64).default([])
const fileSchema = z.object({
  v: z.literal(1), agreements: z.array(z.object({ wish: jws, consent: jws, told: z.array(machineIdSchema), heads: headsSchema })).max(maxKept),
  asked: z.array(z.object({ wish: jws, heads: headsSchema })).max(maxKept).default([]),
})

export interface AgreementsOptions {
  readonly membership: Membership
  readonly links: Pick<Links, 'link' | 'connect'>
  /** Where it is kept whom this machine has told. */
  readonly file: KeptText
  /** This machine's own holder takes it. */
  readonly take: (agreed: Agreed) => void
  /** The newest heads of an owner that this machine's own holder has. */
  readonly headsOf: (owner: OwnerId) => Promise<readonly PublishedHead[]>
}

/** A wish of this machine's owner that waits for an admin, and the heads that it means. */
interface Asked {
  readonly wish: string
  readonly heads: readonly PublishedHead[]
}

interface Kept {
  readonly agreement: Agreement
  readonly told: Set<MachineId>
  readonly heads: readonly PublishedHead[]
}

export class Agreements {
  readonly #options: AgreementsOptions
  #kept: readonly Kept[]
  #asked: readonly Asked[]

  /** A damaged file counts as none. */
  constructor(options: AgreementsOptions) {
    this.#options = options
    const { agreements, asked } = parseKept(options.file.read(), fileSchema) ?? { agreements: [], asked: [] }
    this.#kept = agreements.map(({ wish, consent, told, heads }) => ({ agreement: { wish, consent }, told: new Set(told), heads: heads.map(headOf) }))
    this.#asked = asked.map(({ wish, heads }) => ({ wish, heads: heads.map(headOf) }))
  }

  /** This machine's owner asks for an agreement; `heads` are those that it means. */
  ask(wish: string, heads: readonly PublishedHead[]): void {
    this.#asked = [...this.#asked, { wish, heads }].slice(-maxAsked)
    this.#save()
  }

  /** Another machine told it; what this one asked for it tells too, for it has the heads. */
  async heard(agreement: Agreement, agreed: Agreed, signal: AbortSignal): Promise<void> {
    if (!this.#asked.some(({ wish }) => wish === agreement.wish)) return
    await this.#keep(agreement, agreed)
    this.#save()
    await this.deliverMissing(signal)
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

  /** A head that the holder does not take stops nothing: it has a newer device, or never had anything of the owner. */
  async #tell(id: MachineId, { agreement, told, heads }: Kept, signal: AbortSignal): Promise<boolean> {
    const { links } = this.#options
    try {
      await (await links.link(id, signal)).call('retention.agree', agreement, { signal })
      for (const head of heads) {
        try {
          await (await links.connect(id, { signal })).putHead(head, { signal })
        } catch (error) {
          if (!hasCode(error, 'revoked', 'key-cloned', 'unauthorized', 'quota-exceeded')) throw error
        }
      }
      told.add(id)
      return true
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof HoldfastError)) throw error
      return false
    }
  }

  /** The newest of each owner. The same once more is told to everybody once more. */
  async #keep(agreement: Agreement, agreed: Agreed): Promise<Kept> {
    const { owner, signed } = agreed
    const fresh: Kept = { agreement, told: new Set(), heads: await this.#meant(agreement, agreed) }
    this.#asked = this.#asked.filter(({ wish }) => wish !== agreement.wish)
    const replaced: Kept[] = []
    for (const kept of this.#kept) {
      const other = await this.#verified(kept.agreement)
      if (other?.owner === owner && other.signed > signed) return fresh // holders ignore it: it is told now and never again
      if (other === undefined || other.owner === owner) replaced.push(kept)
    }
    this.#kept = [...this.#kept.filter((kept) => !replaced.includes(kept)), fresh].slice(-maxKept)
    return fresh
  }

  async #meant({ wish }: Agreement, { owner, accepts }: Agreed): Promise<readonly PublishedHead[]> {
    const known = this.#asked.find((one) => one.wish === wish) ?? this.#kept.find(({ agreement }) => agreement.wish === wish)
    if (known !== undefined && known.heads.length > 0) return known.heads
    return (await this.#options.headsOf(owner)).filter(({ head }) => {
      const { machine, seq } = peekHead(head)
      return accepts.some((accepted) => accepted.machine === machine && accepted.seq === seq)
    })
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
    this.#options.file.write(JSON.stringify({
      v: 1, agreements: this.#kept.map(({ agreement, told, heads }) => ({ ...agreement, told: [...told], heads: heads.map(headToText) })),
      asked: this.#asked.map(({ wish, heads }) => ({ wish, heads: heads.map(headToText) })),
    } satisfies z.infer<typeof fileSchema>))
  }
}

type HeadText = z.infer<typeof headsSchema>[number]

function headToText({ certificate, head, live }: PublishedHead): HeadText {
  return { certificate, head, live: Buffer.from(live).toString('base64') }
}

function headOf({ certificate, head, live }: HeadText): PublishedHead {
  return { certificate, head, live: Buffer.from(live, 'base64') }
}
