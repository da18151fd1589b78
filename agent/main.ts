/**
 * The composition root: puts an agent together for one home, and the only file that picks adapters.
 *
 * With `serve` it listens to peers and to the pane, runs triggers and says where it is in the runtime file; without, it
 * runs one command and ends. Parts start in the order in which they stand here and stop in the reverse one.
 */
import type { CommandName, CommandRequest, CommandResult } from '../shared/api.ts'
import { audit } from './commands/audit.ts'
import { networkAnnounce, networkFind } from './commands/announce.ts'
import { backup } from './commands/backup.ts'
import { listEntries, listSnapshots } from './commands/browse.ts'
import type { RunCommand, RunOptions } from './commands/command.ts'
import type { AgentContext } from './commands/context.ts'
import { coverage } from './commands/coverage.ts'
import { coverageList } from './commands/coverage-list.ts'
import { doctor } from './commands/doctor.ts'
import { networkApprove, networkInvitations, networkInvite, networkRequests, networkUninvite } from './commands/admit.ts'
import { networkCreate, networkJoin } from './commands/enroll.ts'
import { networkAdminAdd, networkAdminRemove, networkLost, networkRevoke, networkSettings } from './commands/govern.ts'
import { drill } from './commands/drill.ts'
import { folders } from './commands/folders.ts'
import { forget } from './commands/forget.ts'
import { keyConfirm, keyShow } from './commands/key.ts'
import { networkLeave } from './commands/leave.ts'
import { mailTest } from './commands/mail.ts'
import { networkMoveRoster } from './commands/move-roster.ts'
import { outlook, outlookOpen } from './commands/outlook.ts'
import { peers } from './commands/peers.ts'
import { protect, unprotect } from './commands/protect.ts'
import { prune } from './commands/prune.ts'
import { recover } from './commands/recover.ts'
import { handedOverList, handedOverLs, handedOverPassOn, handedOverRemove, handedOverRestore, handedOverSnapshots } from './commands/handed-over.ts'
import { contactAdd, contactList, contactRemove, contactRequest, contactRestore, contactSnapshots } from './commands/recovery-contact.ts'
import { restore } from './commands/restore.ts'
import { signIn } from './commands/sign-in.ts'
import { retentionAgree, retentionApprove } from './commands/retention.ts'
import { search } from './commands/search.ts'
import { listSkipped } from './commands/skipped.ts'
import { pause, settings } from './commands/settings.ts'
import { status } from './commands/status.ts'
import { suggestions } from './commands/suggestions.ts'
import { repair, verify } from './commands/verify.ts'
import { type AgentOptions, AgentParts, type Perform } from './composition/agent-parts.ts'
import { formatMetrics, metricsOf } from './http/metrics.ts'
import { openMetricsDoor } from './http/metrics-door.ts'
import { type Home, lockHome, removeFile, writePrivateFile } from './home.ts'

export interface Agent extends AsyncDisposable {
  readonly id: string
  readonly paneUrl: string
  /** `host:port` of the peer door; empty without `serve`. */
  readonly peerAddress: string
  readonly run: RunCommand
}

/** Throws `in-use` when another agent has the home, `already-exists` or `in-use` when a port is taken, `key-missing`. */
export async function openAgent(home: Home, options: AgentOptions): Promise<Agent> {
  await using stack = new AsyncDisposableStack()
  stack.use(lockHome(home))
  const parts = await AgentParts.open(home, options, { stack, perform })
  const { run } = parts.runs
  // The group first: a pane that was answered in between would take this machine for one that is in none.
  await parts.startGroup()
  const pane = options.serve ? stack.use(await openPane(home, parts)) : undefined
  if (pane !== undefined) {
    stack.use(await parts.startTriggers())
    stack.use(parts.startReports())
    stack.use(parts.startCoverageList())
    stack.use(parts.startUpkeep())
    stack.use(parts.help().start())
    stack.use(parts.startAlerts())
    const { port, host } = options.config.metrics
    if (port !== null) stack.use(await openMetricsDoor({ host, port, collect: async () => await collectMetrics(run, options.signal) }))
    writePrivateFile(home.runtime, JSON.stringify({
      v: 1, pid: process.pid, machine: parts.machine.id, peer: parts.peerAddress, pane: { port: pane.port, token: pane.token, certificate: pane.authority },
    }))
    stack.defer(() => removeFile(home.runtime))
  }
  stack.use(parts.runs)
  const owned = stack.move()
  return {
    id: parts.machine.id, paneUrl: pane === undefined ? '' : `https://localhost:${pane.port}`, peerAddress: parts.peerAddress, run,
    [Symbol.asyncDispose]: async () => { await owned[Symbol.asyncDispose]() },
  }
}

/** Loaded by an agent that serves: a single command needs no web server. */
async function openPane(home: Home, parts: AgentParts) {
  return await (await import('./composition/open-pane-door.ts')).openPane(home, parts)
}

async function collectMetrics(run: RunCommand, signal: AbortSignal): Promise<string> {
  const quietly = { signal, onProgress: () => {} }
  const status = await run('status', { fresh: false }, quietly)
  return formatMetrics(metricsOf(status, status.network === null ? [] : (await run('coverage', { fresh: false }, quietly)).members))
}

type Handlers = { readonly [C in CommandName]: (context: AgentContext, request: CommandRequest<C>, options: RunOptions) => Promise<CommandResult<C>> | CommandResult<C> }

const handlers: Handlers = {
  'network create': networkCreate, 'network invite': networkInvite, 'network join': networkJoin, 'network announce': networkAnnounce, 'network find': networkFind,
  'network settings': networkSettings, 'network admin add': networkAdminAdd, 'network admin remove': networkAdminRemove, 'network revoke': networkRevoke, 'network lost': networkLost,
  'network invitations': networkInvitations, 'network uninvite': networkUninvite, 'network requests': networkRequests, 'network approve': networkApprove, 'network leave': networkLeave, 'network move-roster': networkMoveRoster,
  'protect': protect, 'unprotect': unprotect,
  'backup': backup, 'snapshots': listSnapshots, 'ls': listEntries, 'restore': restore, 'verify': verify, 'repair': repair, 'audit': audit, 'drill': drill, 'forget': forget, 'prune': prune, 'mail test': mailTest, 'peers': peers,
  'status': status, 'coverage': coverage, 'coverage list': coverageList, 'key show': keyShow, 'key confirm': keyConfirm, 'recover': recover, 'doctor': doctor, 'sign-in': signIn, 'search': search, 'skipped': listSkipped,
  'settings': settings, 'pause': pause, 'suggestions': suggestions, 'folders': folders, 'outlook': outlook, 'outlook open': outlookOpen,
  'recovery-contact add': contactAdd, 'recovery-contact remove': contactRemove, 'recovery-contact list': contactList,
  'recovery-contact request': contactRequest, 'recovery-contact snapshots': contactSnapshots, 'recovery-contact restore': contactRestore,
  'handed-over list': handedOverList, 'handed-over snapshots': handedOverSnapshots, 'handed-over ls': handedOverLs, 'handed-over restore': handedOverRestore, 'handed-over pass-on': handedOverPassOn, 'handed-over remove': handedOverRemove,
  'retention agree': retentionAgree, 'retention approve': retentionApprove,
}

/** Carries a command out on the parts of an agent. */
export const perform: Perform = (name, context, request, options) => handlers[name](context, request, options)
