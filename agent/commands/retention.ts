/** What holders may do only when the owner and an admin say so together: let go sooner, or believe a sudden change. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { ownerFromWords } from '../identity/owner.ts'
import { type Agreement, agreementText, parseAgreement, signConsent, signWish, verifyWish } from '../network/membership/agreement.ts'
import { defaultTerms } from '../network/shard-store/retention.ts'
import type { RunOptions } from './command.ts'
import type { AgentContext } from './context.ts'

type Result = CommandResult<'retention agree'>

/** The owner's half; with an admin's key on this machine the other half too. Throws `unauthorized` for words of somebody else. */
export async function retentionAgree(context: AgentContext, request: CommandRequest<'retention agree'>, { signal }: RunOptions): Promise<Result> {
  const root = ownerFromWords(request.words)
  if (root.id !== context.ownerFile()?.owner) throw new HoldfastError('unauthorized', 'Cannot agree: these are the words of another owner')
  const { membership } = context.group()
  const { repository } = await context.backup()
  await context.group().meetPeers(signal)
  const { heads } = await repository.refresh({ signal })
  const { delayDays = defaultTerms.delayDays, days = defaultTerms.days, weeks = defaultTerms.weeks } = request
  const wish = await signWish({
    net: membership.net, at: secondsOf(context), terms: { delayDays, days, weeks },
    accepts: heads.map(({ document: { machine, seq } }) => ({ machine, seq })).slice(0, 64),
  }, root)
  context.group().agreements.ask(wish, heads.slice(0, 64).map(({ published }) => published))
  return await complete(context, wish, signal)
}

/** The admin's half, or the delivery of a whole agreement to machines that were away. */
export async function retentionApprove(context: AgentContext, request: CommandRequest<'retention approve'>, { signal }: RunOptions): Promise<Result> {
  const { wish, consent } = parseAgreement(request.agreement)
  await context.group().meetPeers(signal)
  if (consent !== undefined) return await deliver(context, { wish, consent }, signal)
  const result = await complete(context, wish, signal)
  if (!result.approved) throw new HoldfastError('unauthorized', 'Cannot approve: the owner of this machine is no admin of the work group')
  return result
}

async function complete(context: AgentContext, wish: string, signal: AbortSignal): Promise<Result> {
  const { membership } = context.group()
  try {
    const admin = await context.adminKey()
    return await deliver(context, { wish, consent: await signConsent(wish, { net: membership.net, at: secondsOf(context) }, admin) }, signal)
  } catch (error) {
    if (!hasCode(error, 'unauthorized')) throw error
    return { agreement: agreementText({ wish }), approved: false, ...await describe(context, wish), delivered: [], missing: [] }
  }
}

async function deliver(context: AgentContext, agreement: Agreement, signal: AbortSignal): Promise<Result> {
  const outcome = await context.group().agreements.deliver(agreement, signal)
  return { agreement: agreementText(agreement), approved: true, ...await describe(context, agreement.wish), ...outcome }
}

async function describe(context: AgentContext, jws: string): Promise<Pick<Result, 'owner' | 'terms'>> {
  const { owner, terms } = await verifyWish(jws, context.group().membership.net)
  return { owner, terms }
}

function secondsOf(context: AgentContext): number {
  return Math.floor(context.clock.now() / 1000)
}
