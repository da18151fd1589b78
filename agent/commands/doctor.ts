/** Checks what commonly goes wrong on a machine, and says how to mend it. */
import { statfsSync, statSync } from 'node:fs'
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { mayMakeShadowCopies } from '../source/shadow-copies.ts'
import type { AgentContext } from './context.ts'
import type { RunOptions } from './command.ts'
import { type Check, failed, ok, warning } from './doctor-check.ts'
import { checkPane, checkTrust } from './doctor-pane.ts'

const clockSkewMs = 10 * 60_000

export async function doctor(context: AgentContext, { fix, unfix }: CommandRequest<'doctor'>, { signal }: RunOptions): Promise<CommandResult<'doctor'>> {
  if (fix && unfix) throw new HoldfastError('invalid-input', 'Cannot run doctor: --fix and --unfix are opposites')
  const checks = [
    checkKeys(context), checkDisk(context), ...checkPaths(context), ...await checkOpenFiles(signal), checkListening(context), ...await checkPane(context.pane), ...await checkTrust(context, fix ? 'fix' : unfix ? 'unfix' : 'look'),
    ...await checkGroup(context, signal),
  ]
  return { ok: checks.every(({ state }) => state !== 'failed'), checks }
}

function checkKeys(context: AgentContext): Check {
  const mode = process.platform === 'win32' ? 0o600 : statSync(context.homeDirectory).mode & 0o077
  const open = process.platform !== 'win32' && mode !== 0
  return open ? warning('home', `${context.homeDirectory} can be read by others`, `chmod 700 ${context.homeDirectory}`) : ok('home', context.homeDirectory)
}

function checkDisk(context: AgentContext): Check {
  const { bavail, blocks } = statfsSync(context.homeDirectory)
  const free = bavail / blocks
  const { minFree } = context.settings.config.offer
  const detail = `${Math.round(free * 100)} % of the disk is free, ${Math.round(minFree * 100)} % are kept in reserve`
  return free > minFree ? ok('disk', detail) : warning('disk', `${detail}: nothing can be kept for others`, 'Free some space, or lower the reserve: holdfast settings offer.minFree=0.1; it is at least the group\'s, which an admin changes: holdfast network settings minFree=0.1')
}

function checkPaths(context: AgentContext): Check[] {
  const { protect } = context.settings.config
  if (protect.length === 0) return [warning('protected paths', 'nothing is protected', 'holdfast protect PATH')]
  return protect.map(({ path }) => (statSync(path, { throwIfNoEntry: false }) === undefined
    ? warning(`protected path ${path}`, 'it is not there', 'Mount it, or holdfast unprotect it') : ok(`protected path ${path}`, 'there')))
}

/** On Windows a program may keep others from reading what it has open. */
async function checkOpenFiles(signal: AbortSignal): Promise<Check[]> {
  if (process.platform !== 'win32') return []
  return [await mayMakeShadowCopies(signal) === true ? ok('open archives', 'backed up while Outlook has them open, from shadow copies')
    : warning('open archives', 'backed up only once Outlook is closed', 'Let the agent run with the highest privileges (docs/operations.md, Running)')]
}

function checkListening(context: AgentContext): Check {
  const addresses = context.addresses().map(({ host, port }) => `${host}:${port}`)
  return addresses.length === 0 ? warning('agent', 'not running: the others cannot reach this machine', 'holdfast autostart on') : ok('agent', `peers reach it at ${addresses.join(', ')}`)
}

async function checkGroup(context: AgentContext, signal: AbortSignal): Promise<Check[]> {
  if (!context.isMember()) return [warning('work group', 'this machine is in none', 'holdfast network create or holdfast network join')]
  const group = context.group()
  const answering = await group.meetPeers(signal)
  const refusal = group.membership.ownRefusal()
  const members = group.membership.members().filter(({ state }) => state !== 'gone')
  const online = members.filter(({ id }) => answering.has(id))
  return [
    refusal === undefined ? ok('membership', `in ${group.membership.network.name}`) : failed('membership', `the others do not let this machine in: ${refusal}`, 'Ask the admin for a new invitation, or recover'),
    members.length > 0 && online.length === 0 ? failed('peers', `none of ${members.length} answers`, 'Check the network and the firewall: the peer port must be reachable') : ok('peers', `${online.length} of ${members.length} answer`),
    ...group.rosterStatus.filter(({ state }) => state !== 'unread').map(({ locator, state, problem }) => (state === 'ok' ? ok(`roster ${locator}`, 'in step')
      : warning(`roster ${locator}`, problem ?? state, 'Backups go on without it; look at the place, or sign in there again: holdfast sign-in'))),
    ...members.flatMap(({ name, record }) => (record.iat * 1000 > context.clock.now() + clockSkewMs ? [warning(`clock of ${name}`, 'its records are from the future', 'Set the clock on that machine, or on this one')] : [])),
  ]
}
