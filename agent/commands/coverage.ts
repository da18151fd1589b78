/** Who in the group is covered and who is not. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { hasCode } from '../../shared/errors.ts'
import type { AgentContext } from './context.ts'
import type { RunOptions } from './command.ts'
import { meetMs } from './freshness.ts'
import { protectionOf } from './protection.ts'

export async function coverage(context: AgentContext, _request: CommandRequest<'coverage'>, { signal }: RunOptions): Promise<CommandResult<'coverage'>> {
  const { membership } = context.group()
  await context.group().meetPeers(signal, { patienceMs: meetMs })
  const own = membership.own.peer?.record
  const owner = context.ownerFile()
  const members = membership.members().flatMap((member) => member.devices.map((device) => {
    const head = membership.heads.get(device.owner, member.id)?.head
    return {
      name: member.name, owner: device.owner as string, machine: member.id as string, machineState: member.state,
      state: head === undefined ? 'unprotected' as const : 'unknown' as const, lastSnapshotAgeSeconds: ageSeconds(head?.time, context),
      placed: 0, wanted: 0, unprotectedBytes: null, lastVerifiedRestore: null,
    }
  }))
  const self = own === undefined || owner === undefined ? [] : [await ownCoverage(context, own.name, signal)]
  return { members: [...self, ...members].sort((a, b) => (b.lastSnapshotAgeSeconds ?? Infinity) - (a.lastSnapshotAgeSeconds ?? Infinity)) }
}

async function ownCoverage(context: AgentContext, name: string, signal: AbortSignal): Promise<CommandResult<'coverage'>['members'][number]> {
  const services = await context.backup()
  const protection = protectionOf(services)
  const latest = await services.repository.snapshot('latest', { signal }).catch((error: unknown) => {
    if (hasCode(error, 'not-found')) return undefined
    throw error
  })
  return {
    name, owner: services.repository.owner, machine: context.machine.id, machineState: 'online', state: protection.state,
    lastSnapshotAgeSeconds: ageSeconds(latest?.time, context), placed: protection.placed, wanted: protection.wanted,
    unprotectedBytes: null, lastVerifiedRestore: null,
  }
}

function ageSeconds(time: string | undefined, context: AgentContext): number | null {
  return time === undefined ? null : Math.max(0, (context.clock.now() - Date.parse(time)) / 1000)
}
