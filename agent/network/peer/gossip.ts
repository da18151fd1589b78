/**
 * Gossip (docs/protocol.md section 4): every machine tells a few others what it knows, so all come to know the same.
 *
 * Every 60 s, give or take a fifth, with three peers drawn by lot, and once on every link that is dialled: send the digest
 * of what is known here, take in what the answer brings, push what it asks for. What comes is judged by membership alone.
 */
import { HoldfastError } from '../../../shared/errors.ts'
import type { MachineId } from '../../../shared/ids.ts'
import type { Clock } from '../clock.ts'
import { type Answer, type Digest, type Push, digestOf, maxGossipLength, pushFor, takePush } from '../membership/digest.ts'
import { type IngestReport, joinReports, newReport } from '../membership/intake.ts'
import type { Member, Membership } from '../membership/membership.ts'
import type { Link } from './link.ts'
import type { Links } from './links.ts'

const everyMs = 60_000
const partners = 3
const maxTurns = 32

/** The other side of an exchange: a link, or another membership in a test. */
export interface Partner {
  readonly machine: MachineId
  gossip(digest: Digest, signal?: AbortSignal): Promise<Answer>
  push(push: Push, signal?: AbortSignal): Promise<void>
}

export function partnerOver(link: Link): Partner {
  return {
    machine: link.machine,
    gossip: async (digest, signal) => await link.call('gossip', digest, { signal }),
    push: async (push, signal) => { await link.call('gossip.push', push, { signal }) },
  }
}

/** Brings both sides to the same records. Takes more than one turn when more is lacking than one message holds. */
export async function exchange(membership: Membership, partner: Partner, signal?: AbortSignal): Promise<IngestReport> {
  let total = newReport()
  for (let turn = 0; turn < maxTurns; turn++) {
    const answer = await partner.gossip(digestOf(membership), signal)
    membership.heard(partner.machine)
    const report = await takePush(membership, answer, partner.machine)
    total = joinReports(total, report)
    const push = pushFor(membership, answer.want)
    if (push.records.length + push.heads.length + push.coverage.length > 0) await partner.push(push, signal)
    const full = (report.taken > 0 && lengthOf(answer) > maxGossipLength / 2) || lengthOf(push) > maxGossipLength / 2
    if (!full) break
  }
  return total
}

function lengthOf({ records, heads, coverage }: Push): number {
  return [...records, ...coverage].reduce((sum, jws) => sum + jws.length, 0) + heads.reduce((sum, { certificate, head }) => sum + certificate.length + head.length, 0)
}

/** Up to three by lot: first of those not known to be away, then of the others, so that who comes back is found. */
export function drawPartners(members: readonly Pick<Member, 'id' | 'state' | 'heardSecondsAgo'>[], random: () => number): MachineId[] {
  const lots = members.map((member) => ({ member, lot: random() })).sort((a, b) => a.lot - b.lot).map(({ member }) => member)
  const near = lots.filter(({ state, heardSecondsAgo }) => state === 'online' || heardSecondsAgo === undefined)
  const far = lots.filter((member) => !near.includes(member) && member.state !== 'gone')
  return [...near, ...far].slice(0, partners).map(({ id }) => id)
}

export interface GossipOptions {
  readonly membership: Membership
  readonly links: Pick<Links, 'link'>
  readonly clock: Clock
  /** 0 up to 1, exclusive. */
  readonly random: () => number
  /** What an exchange brought, or why there was none. */
  readonly onExchange?: ((machine: MachineId, outcome: IngestReport | HoldfastError) => void) | undefined
}

export class Gossip implements AsyncDisposable {
  readonly #options: GossipOptions
  readonly #stop = new AbortController()
  readonly #running = new Map<MachineId, Promise<boolean>>()
  #cancel: () => void = () => undefined

  constructor(options: GossipOptions) {
    this.#options = options
  }

  /** The first round comes at once; resolves when it is over: whether it reached somebody. */
  async start(): Promise<boolean> {
    const isReached = await this.round()
    if (this.#stop.signal.aborted) return isReached
    const { clock, random } = this.#options
    this.#cancel = clock.after(everyMs * (0.8 + random() * 0.4), () => { void this.start() })
    return isReached
  }

  /** Resolves when the exchanges of one round are over: whether one of them succeeded. */
  async round(): Promise<boolean> {
    const { links, membership, random } = this.#options
    const drawn = drawPartners(membership.members(), random)
    const outcomes = await Promise.all(drawn.map(async (id) => await this.#settle(id, async () => await links.link(id, this.#stop.signal))))
    return outcomes.includes(true)
  }

  /** For every link that is dialled: one exchange, together with one that is under way already. True when it succeeded. */
  async meet(link: Link): Promise<boolean> {
    return await this.#settle(link.machine, async () => link)
  }

  async #settle(id: MachineId, linkTo: () => Promise<Link>): Promise<boolean> {
    const running = this.#running.get(id)
    if (running !== undefined) return await running
    const exchanging = this.#exchange(id, linkTo).finally(() => { this.#running.delete(id) })
    this.#running.set(id, exchanging)
    return await exchanging
  }

  async #exchange(id: MachineId, linkTo: () => Promise<Link>): Promise<boolean> {
    const { membership, onExchange } = this.#options
    try {
      const report = await exchange(membership, partnerOver(await linkTo()), this.#stop.signal)
      onExchange?.(id, report)
      return true
    } catch (error) {
      onExchange?.(id, error instanceof HoldfastError ? error : new HoldfastError('internal', 'Cannot gossip: unexpected failure', { cause: error }))
      return false
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cancel()
    this.#stop.abort(new HoldfastError('cancelled', 'Cannot gossip: the agent is stopping'))
    await Promise.allSettled(this.#running.values())
  }
}
