/** What a person sees of each command's result. `--json` prints the result itself instead. */
import type { CommandName, CommandResult, Protection } from '../../shared/api.ts'
import { counted, needed } from '../../shared/counted.ts'
import { noticeText } from '../../shared/notice-texts.ts'
import { type BytesByCause, type RepairCause, repairCauses } from '../../shared/repair-causes.ts'
import { formatBytes, formatDuration, formatTable, formatTime, printable } from './format.ts'
import { forgetLines } from './render-forget.ts'
import { settingLines, settingsLines } from './render-settings.ts'
import { addedLines, handedOverLines, listLines, requestedLines } from './render-contacts.ts'

type Renderers = { readonly [C in CommandName]: (result: CommandResult<C>) => string }

const short = (id: string) => id.slice(0, 12)

function protectionLine(protection: Protection): string {
  const now = nowText(protection)
  switch (protection.state) {
    case 'protected': return `protected: ${protection.placed} of ${protection.wanted} machines hold it; ${now ?? `${losses(protection.survives)} may be lost`}`
    case 'partial': return `partly protected: ${partlyWhy(protection)}${now === undefined ? '' : `; ${now}`}`
    case 'unprotected': return 'not protected: no usable copy on other machines'
  }
}

const losses = (count: number) => (count === 0 ? 'none of them' : count === 1 ? 'one more machine' : `${count} more machines`)

/** While some of the machines that hold it are off; undefined when all are on. */
function nowText({ reach, survives }: Protection): string | undefined {
  if (reach === null || reach.have >= reach.placed) return undefined
  const { have, placed, need } = reach
  const on = `${have} of ${placed} reachable now`
  if (have < need) return `${on}, ${needed(need)}: it cannot be restored before more of them are switched on`
  return `${on}, ${needed(need)}; ${losses(Math.min(survives, have - need))} may go before the others are back`
}

/** `placed of wanted`, but in a group of two, where all is placed and yet a single copy: what is missing is a machine. */
export function partlyWhy({ placed, wanted }: Pick<Protection, 'placed' | 'wanted'>): string {
  return placed < wanted ? `${placed} of ${wanted}` : 'one other machine keeps the only copy; let a third machine join'
}

/** Beside the invitation, which stands alone on stdout. */
export function inviteNote({ count, expires }: CommandResult<'network invite'>): string {
  return `holdfast: this lets ${counted(count, 'machine')} in until ${formatTime(expires)}. There: holdfast network join INVITATION. Who has it can join: send it to nobody else.`
}

function skippedLines(skipped: readonly { path: string; reason: string }[]): string[] {
  const shown = skipped.slice(0, 20).map(({ path, reason }) => `  skipped ${printable(path)}: ${printable(reason)}`)
  return skipped.length > 20 ? [...shown, `  … and ${skipped.length - 20} more`] : shown
}

function freshness({ freshness: { newest, answered, asked } }: { freshness: { newest: string; answered: number; asked: number } }): string {
  if (newest === 'confirmed') return 'newest, confirmed by every machine asked'
  return asked === 0 ? 'newest found; no machine was asked' : `newest found: ${answered} of ${counted(asked, 'machine')} answered`
}

/** What speaks against it that this is the newest. */
function freshnessLines({ freshness: { notices } }: { freshness: CommandResult<'snapshots'>['freshness'] }): string[] {
  return notices.map((notice) => `! ${printable(noticeText(notice))}`)
}

function formerLines({ former }: { former: string | null }): string[] {
  return former === null ? [] : [`What is left of the work group before lies in ${printable(former)}: keys, and what was kept for others. Delete it when nobody needs it any more.`]
}

export const renderers: Renderers = {
  'network create': (result) => [
    `Work group "${result.name}" founded (redundancy ${result.redundancy}). This machine is ${result.machine.slice(0, 8)}.`,
    'Next: `holdfast network invite` for the others, `holdfast protect PATH…`, `holdfast autostart on` unless the agent runs already,',
    'and `holdfast key show`: write the recovery kit down and confirm it with `holdfast key confirm`.', ...formerLines(result),
  ].join('\n'),
  'network invite': (result) => result.invitation,
  'network join': (result) => [
    result.waiting ? `This machine asked to be let into the work group "${result.name}": an admin has to run holdfast network approve.` : `This machine is now in the work group "${result.name}".`,
    'Next: `holdfast protect PATH…`, `holdfast autostart on` unless the agent runs already, and `holdfast key show` for the recovery kit.', ...formerLines(result),
    ...(result.namesake === null ? [] : [`Another computer of the group is called ${printable(result.namesake)} too: lists show both with their ids. To give this one another name: holdfast settings label=NAME`]),
  ].join('\n'),
  'network settings': ({ settings, admins, epoch, told }) => [
    ...settingLines(settings), `(epoch ${epoch}; admins: ${admins.map(({ name }) => printable(name)).join('; ')})`, ...toldLines(told),
  ].join('\n'),
  'network admin add': adminLines,
  'network admin remove': adminLines,
  'network revoke': ({ name, machine, told }) => [`${printable(name)} (${short(machine)}) is shut out.`, ...toldLines(told)].join('\n'),
  'network lost': ({ name, lost, told }) => [lost ? `${printable(name)} counts as lost: what it kept is made good on other machines. If it comes back: holdfast network found` : `${printable(name)} counts as a member again.`, ...toldLines(told)].join('\n'),
  'network invitations': ({ invitations }) => (invitations.length === 0 ? 'No invitations.' : formatTable([
    ['ID', 'STATE', 'USED', 'EXPIRES', 'BY', 'MACHINES'],
    ...invitations.map(({ id, state, used, count, expires, by, machines }) => [short(id), state, `${used} of ${count}`, formatTime(expires), printable(by), machines.map(printable).join(', ')]),
  ])),
  'network uninvite': ({ id, kept, told }) => [`Invitation ${short(id)} is revoked; ${kept} machines that came in by it stay.`, ...toldLines(told)].join('\n'),
  'network move-roster': ({ rosters, former, told }) => [
    `The roster is now in ${rosters.map(printable).join(' and ')}.`, ...toldLines(told),
    ...(former.length === 0 ? [] : [`  Leave ${former.map(printable).join(' and ')} as it is until every machine has followed: it says where to.`]),
  ].join('\n'),
  'network leave': ({ network, shards, handedOver, safe, kept, keepDays, handedTo, passedOn, told }) => [
    `This machine has left the work group "${printable(network)}". ${shards === 0 ? 'It kept nothing for others' : `Of ${counted(shards, 'shard')} that it kept for others ${handedOver} were handed over and ${safe} were safe elsewhere`}${kept === 0 ? '' : `; ${kept} nobody took`}.`,
    ...(keepDays === null ? ['  The owner stays in the group with another machine.'] : [keepDays === 0 ? '  Its own backups go as soon as holders let go of what somebody who left had stored (8 weeks); the keys on this machine go at the next start of the agent, or when it enters another group.' : handedTo === null ? `  Its own backups are kept for ${keepDays} days more: keep the recovery kit.` : `  Its own backups are kept for ${keepDays} days more, and ${printable(handedTo)} can restore them: holdfast handed-over list.`]),
    ...(passedOn.length === 0 ? [] : [`  What ${passedOn.map(printable).join(' and ')} handed over opens elsewhere from now on.`]),
    ...toldLines(told), '  Let the agent run until the others know, before another group is entered.',
  ].join('\n'),
  'network requests': ({ requests }) => (requests.length === 0 ? 'Nobody waits for an approval.' : formatTable([
    ['MACHINE', 'ID', 'ASKED', 'ADDRESSES'], ...requests.map(({ name, machine, asked, addresses }) => [printable(name), short(machine), formatTime(asked), addresses.join(' ')]),
  ])),
  'network approve': ({ name }) => `${printable(name)} is let in: it finds the approval in the roster.`,
  'network announce': ({ group, announced, rosters }) => (announced
    ? [`Announced on the group "${printable(group)}":`, ...rosters.map((locator) => `  ${printable(locator)}`), 'Run it again when the rosters change.'].join('\n')
    : `Nothing is announced on the group "${printable(group)}" any more.`),
  'network find': ({ account, groups }) => (groups.length === 0 ? `Signed in as ${printable(account)}; no work group is announced to this account.` : [
    ...groups.flatMap(({ group, name, rosters }) => [`Work group "${printable(name)}", announced on "${printable(group)}":`, ...rosters.map((locator) => `  ${printable(locator)}`)]),
    'Next: `holdfast sign-in LOCATOR`, then `holdfast network join INVITATION` with an invitation of an admin.',
  ].join('\n')),
  'protect': (result) => [protectedLines(result.protected), ...result.leftOut.map(({ path, reason }) => `Left out: ${printable(path)}, ${printable(reason)}`)].join('\n'),
  'unprotect': (result) => protectedLines(result.protected),
  'backup': (result) => [
    `Snapshot ${short(result.snapshot)}: ${counted(result.files, 'file')}, ${counted(result.directories, 'folder')}, ${formatBytes(result.bytesRead)} read in ${formatDuration(result.seconds)}`,
    `  new ${formatBytes(result.bytesNew)}, packed ${formatBytes(result.bytesStored)}, sent ${formatBytes(result.bytesSent)} with redundancy, ${counted(result.unchangedFiles, 'file')} unchanged`,
    `  ${protectionLine(result.protection)}`,
    ...result.refused.map(({ name, reason }) => `  ${printable(name)} takes no more: ${printable(reason)}`),
    ...skippedLines(result.skipped),
    ...result.damaged.map(({ path, problem }) => `  ${printable(path)} is damaged itself: ${problem}. Close Outlook, repair it with scanpst.exe, or restore an older snapshot of it`),
  ].join('\n'),
  'snapshots': snapshotLines,
  'ls': entryLines,
  'restore': restoreLines,
  'recovery-contact add': addedLines,
  'recovery-contact remove': ({ name, told }) => [`${printable(name)} cannot open this backup any more.`, ...toldLines(told)].join('\n'),
  'recovery-contact list': listLines,
  'recovery-contact request': requestedLines,
  'recovery-contact snapshots': snapshotLines,
  'recovery-contact restore': restoreLines,
  'handed-over list': handedOverLines,
  'handed-over snapshots': snapshotLines,
  'handed-over ls': entryLines,
  'handed-over restore': restoreLines,
  'handed-over pass-on': ({ name, opensOn, told }) => [`What ${printable(name)} handed over opens on ${opensOn.map(printable).join(', ')}.`, ...toldLines(told)].join('\n'),
  'handed-over remove': ({ name, told }) => [`The backup of ${printable(name)} is dropped: holders let it go 8 weeks after its owner left.`, ...toldLines(told)].join('\n'),
  'verify': verifyLines,
  'repair': (result) => [
    `${counted(result.objects, 'object')} checked, ${counted(result.rebuilt, 'shard')} made anew, ${result.failed} failed, ${formatBytes(result.bytesSent)} sent`,
    ...causeLines(result.bytesByCause),
    ...(result.respread === 0 ? [] : [`  ${counted(result.respread, 'pack')} of a former level written again`]),
    `  ${protectionLine(result.protection)}`,
    ...someOf(result.problems, Math.max(result.problems.length, result.failed)).map((line) => `  ${line}`),
  ].join('\n'),
  'drill': (result) => [
    result.off.length > 0 ? 'The restore drill could not be done while machines are off, and counts as none' : `${result.ok ? 'Restore drill passed' : 'Restore drill FAILED'}: ${counted(result.files.length, 'file')}, ${formatBytes(result.bytes)} restored in ${formatDuration(result.seconds)}, ${result.files.filter(({ compared }) => compared).length} compared with their originals`,
    ...result.files.flatMap(({ path, problem }) => (problem === null ? [] : [`  ${printable(path)}: ${printable(problem)}`])),
    ...(result.off.length === 0 ? [] : [`  switch on ${result.off.map(printable).join(', ')}, as many as it takes, and run it again`]),
    ...(result.files.length === 0 ? ['  there is no file in it to be tried'] : []),
    ...partLines(result.files.filter(({ bytes, size }) => bytes < size)), ...(result.files.some(({ bytes, size }) => bytes < size) ? ['  more of a large file: --max-bytes SIZE'] : []),
    `  from snapshot ${short(result.snapshot)}; the scratch copies are removed`,
  ].join('\n'),
  'audit': (result) => [
    ...result.holders.map(({ name, state, passed, failed, unanswered }) => `  ${printable(name)}: ${{
      passed: `passed, ${passed} leaves right`, failed: `FAILED, ${failed} shards wrong or lost, ${passed} leaves right`, silent: 'no answer',
    }[state]}${state !== 'silent' && unanswered > 0 ? `, ${unanswered} not answered yet` : ''}`),
    ...(result.holders.length === 0 ? ['No machine holds anything of this backup yet.'] : [`${formatBytes(result.bytesRead)} read and checked`]),
    ...result.problems.map((problem) => `  ${printable(problem)}`),
  ].join('\n'),
  'forget': (result) => [...forgetLines(result), ...freezeLines(result)].join('\n'),
  'mail test': ({ sent }) => `Sent a mail to ${sent.join(', ')}`,
  'prune': (result) => (result.unused + result.rewritten === 0 && result.indexes === result.indexesAfter && result.left === 0 ? [`Nothing to leave out or to rewrite in ${counted(result.packs, 'pack')}`, ...freezeLines(result)] : [
    `${result.dryRun ? 'Would leave' : 'Left'} out ${result.unused} of ${result.packs} packs that nothing needs and ${result.dryRun ? 'rewrite' : 'rewrote'} ${result.rewritten} that are mostly dead or small and many: ${formatBytes(result.droppedBytes)} become ${result.dryRun ? 'about ' : ''}${formatBytes(result.writtenBytes)}`,
    ...(result.dryRun && result.rewritten > 0 ? ['  About: what is still used counts as it was compressed; how it compresses by itself shows when it is written'] : []),
    ...(result.indexes === result.indexesAfter ? [] : [`  ${result.indexes} ${result.indexes === 1 ? 'index becomes' : 'indexes become'} ${result.indexesAfter}`]),
    ...(result.left === 0 ? [] : [`  ${result.left} more of those stay as they are for now`]),
    '  Holders keep what was left out for 30 days more', ...freezeLines(result),
  ]).join('\n'),
  'retention agree': agreementLines,
  'retention approve': agreementLines,
  'peers': (result) => formatTable([
    ['MACHINE', 'NAME', 'STATE', 'LAST ANSWER', 'ONLINE', 'OFFERS', 'HAS OF YOURS', 'ADDRESS'],
    ...result.peers.map((peer) => [
      peer.id.slice(0, 8), printable(peer.name) + (peer.self ? ' (this one)' : peer.simulated ? ' (simulated)' : ''), peer.state,
      peer.self ? '' : peer.ageSeconds === null ? 'never' : `${formatDuration(peer.ageSeconds)} ago`, `${Math.round(peer.onlineShare * 100)} %`, formatBytes(peer.offer), formatBytes(peer.holds), peer.addresses.join(', '),
    ]),
  ]),
  'status': (result) => [
    result.network === null ? 'In no work group yet: `holdfast network create` or `holdfast network join`.'
      : `Work group "${printable(result.network.name)}": ${result.network.members === 1 ? '1 machine' : `${result.network.members} machines`}, ${result.network.online} online, redundancy ${result.network.redundancy} (${result.network.level})`,
    result.paths.length === 0 && result.protection.state === 'unprotected' ? 'not protected: nothing is chosen yet, `holdfast protect PATH…`' : protectionLine(result.protection),
    ...result.paths.map((path) => `  ${path.state.padEnd(11)} ${printable(path.path)}  ${path.lastSnapshotTime === null ? 'never backed up' : formatTime(path.lastSnapshotTime)}${path.changedSince ? ', changed since' : ''}${path.reason === null || path.reason === 'never backed up' ? '' : ` (${printable(path.reason)})`}`),
    `Snapshots that stay: ${keepLine(result.retention)}`,
    `Keeps ${formatBytes(result.holder.used)} for others, ${formatBytes(result.holder.free)} still free to them`,
    ...result.holder.owners.map((owner) => `  ${formatBytes(owner.used)} of ${printable(owner.name)}, fair share ${formatBytes(owner.fair)}${owner.frozen ? ', nothing of it expires' : ''}${termsText(owner.terms)}`),
    ...(result.holder.scrub.lastRead === null ? [] : [`  all of it read and checked, last ${formatTime(result.holder.scrub.lastRead)}`]),
    `Has ${formatBytes(result.share.stored)} on other machines, fair share ${formatBytes(result.share.fair)}`,
    ...holderLines(result.holders),
    ...(result.drill === null ? [] : [`Last restore drill ${formatTime(result.drill.time)}: ${result.drill.ok ? 'passed' : 'FAILED'}, ${counted(result.drill.files, 'file')}, ${formatBytes(result.drill.bytes)}`, ...partLines(result.drill.parts)]),
    ...result.rosters.map((roster) => `Roster ${printable(roster.locator)}: ${roster.state}${roster.detail === '' ? '' : ` (${printable(roster.detail)})`}`),
    ...(result.pausedUntil === null || Date.parse(result.pausedUntil) < Date.now() ? [] : [`Automatic backups are paused until ${formatTime(result.pausedUntil)}`]),
    ...(result.quietUntil === null ? [] : [`Quiet hours: nothing starts by itself before ${formatTime(result.quietUntil)}`]),
    ...(result.nextBackup === null || result.network === null || result.paths.length === 0 ? [] : [`Next backup ${formatTime(result.nextBackup)}`]),
    ...(result.running === null ? [] : [`Now: ${result.running}${paceText(result.pace)}`]),
    ...result.warnings.map((warning) => `! ${printable(warning)}`),
    ...result.alerts.map(({ since, text }) => `! since ${formatTime(since)}: ${printable(text)}`),
  ].join('\n'),
  'coverage': (result) => formatTable([
    ['MEMBER', 'STATE', 'LAST SNAPSHOT', 'REACHABLE', 'STORED', 'NOT YET', 'MACHINE', 'KEEPS', 'HAS STORED', 'AUDITED', 'LAST VERIFIED RESTORE'],
    ...result.members.map((member) => [
      printable(member.name), member.chosen === 0 ? 'nothing chosen' : member.state, member.lastSnapshotAgeSeconds === null ? 'never' : `${formatDuration(member.lastSnapshotAgeSeconds)} ago`,
      `${member.reachable === null ? '?' : `${member.reachable} of ${member.wanted}`}${member.restorable === false ? ', too few to restore' : ''}`, member.reportAgeSeconds === null ? '?' : `${member.placed} of ${member.wanted}`, member.unprotectedBytes === null ? '?' : formatBytes(member.unprotectedBytes),
      member.offSinceSeconds === null ? member.machineState : `${member.machineState}, off for ${formatDuration(member.offSinceSeconds)}`,
      member.usedBytes === null || member.offerBytes === null ? '?' : `${formatBytes(member.usedBytes)} of ${formatBytes(member.offerBytes)}`,
      member.storedBytes === null ? '?' : `${formatBytes(member.storedBytes)}, fair share ${formatBytes(member.fairBytes)}`,
      member.lastAudit === null ? 'not yet' : formatTime(member.lastAudit),
      `${member.lastVerifiedRestore === null ? 'never' : `${formatTime(member.lastVerifiedRestore)}${member.verifiedInPart ? ' in part' : ''}`}${member.lastFailedDrill === null ? '' : `; a drill failed ${formatTime(member.lastFailedDrill)}`}`,
    ]),
  ]),
  'coverage list': ({ list, address, rows }) => (address === null ? `The list "${list}" is no longer kept up to date; remove it in SharePoint when nobody wants it.`
    : `The list "${list}" shows who is covered (${rows} rows written): ${printable(address)}\nThis machine keeps it up to date while its agent runs.`),
  'key show': (result) => [
    'RECOVERY KIT: print it or write it down, and keep it away from this machine. Who has it can read your backup.', '',
    ...wordLines(result.words), '', 'Locator (not secret, but you need it too):', result.locator, '',
    'When it is stored safely: holdfast key confirm',
  ].join('\n'),
  'key confirm': () => 'The words are erased from this machine; from now on only your kit has them.',
  'recover': (result) => [
    `Recovered: ${counted(result.snapshots, 'snapshot')}, ${counted(result.objects, 'object')} on ${counted(result.holders, 'machine')} (${freshness(result)}).`, ...freshnessLines(result),
    `The lost machine is shut out (epoch ${result.epoch}).${result.member ? ' This machine has taken its place in the group.' : ''}`,
    ...(result.kept === 0 ? [] : [`${result.kept} more ${result.kept === 1 ? 'snapshot was' : 'snapshots were'} dropped from the backup and ${result.kept === 1 ? 'is' : 'are'} still kept: \`holdfast snapshots --kept\`.`]),
    'Next: `holdfast restore latest --target DIR`. Nothing is backed up from here yet: `holdfast protect PATH…` for what is to be from now on',
    ...(result.paths.length === 0 ? [] : [`(the lost machine backed up ${result.paths.map(printable).join(', ')}), and \`holdfast autostart on\` unless the agent runs already.`]),
  ].join('\n'),
  'skipped': ({ snapshot, skipped }) => {
    const lines = (of: typeof skipped) => of.map(({ path, reason }) => `  ${printable(path)}: ${printable(reason)}`)
    const missing = skipped.filter(({ byDesign }) => !byDesign)
    const left = skipped.filter(({ byDesign }) => byDesign)
    return [
      ...(missing.length === 0 ? [`Nothing is missing in snapshot ${short(snapshot)}.`] : [`Not in snapshot ${short(snapshot)}, or in an older version:`, ...lines(missing)]),
      ...(left.length === 0 ? [] : ['Left out by design:', ...lines(left)]),
    ].join('\n')
  },
  'search': ({ snapshot, entries, more }) => (entries.length === 0 ? `Nothing of that name in snapshot ${short(snapshot)}.` : [
    formatTable(entries.map((entry) => [formatBytes(entry.size).padStart(8), formatTime(entry.mtime), printable(entry.path)])),
    ...(more ? ['… and more: search for a longer part of the name'] : []),
  ].join('\n')),
  'settings': ({ settings }) => settingsLines(settings),
  'pause': ({ pausedUntil }) => (pausedUntil === null ? 'Automatic backups go on.' : `No backup starts by itself before ${formatTime(pausedUntil)}; \`holdfast resume\` ends the pause.`),
  'outlook': ({ detail, archives }) => [
    detail === null ? 'Archives can be opened in Outlook from here: holdfast outlook open FILE' : `Archives cannot be opened in Outlook from here: ${detail}`,
    ...(archives.length === 0 ? ['No archive was restored here that is still there.'] : ['Restored archives:', ...archives.map((path) => `  ${printable(path)}`)]),
  ].join('\n'),
  'outlook open': ({ path, name, wasOpen }) => `${printable(path)} ${wasOpen ? 'was open in Outlook already' : 'is open in Outlook'}; its folder list calls it “${printable(name)}”`,
  'suggestions': ({ archives }) => (archives.length === 0 ? 'No Outlook archives found. Name folders with: holdfast settings watchFolders=DIR' : formatTable(archives.map((archive) => [
    archive.protected ? 'protected' : 'NOT protected', formatBytes(archive.bytes).padStart(8), formatTime(archive.modified), printable(archive.path),
  ]))),
  'folders': ({ entries }) => (entries.length === 0 ? 'Nothing is in it.' : formatTable(entries.map((entry) => [entry.type === 'directory' ? 'd' : '-', (entry.type === 'directory' ? '' : formatBytes(entry.bytes)).padStart(8), printable(entry.path)]))),
  'sign-in': ({ locator, account, place, records }) => [
    `Signed in as ${printable(account)}.`, `Found ${printable(place)}, with ${records} records.`, 'A test record was written there, found again and removed.', `Locator: ${locator}`,
  ].join('\n'),
  'doctor': (result) => result.checks.map((check) => `${{ ok: 'ok     ', warning: 'warning', failed: 'FAILED ' }[check.state]} ${check.name}: ${check.detail}${check.fix === null ? '' : `\n        fix: ${check.fix}`}`).join('\n'),
}

const findingWords: Readonly<Record<CommandResult<'verify'>['findings'][number]['kind'], string>> = {
  'warning': 'To be known', 'lost': 'Gone: no machine is known to have enough of it', 'damaged': 'Damaged: too much of it is not what was stored',
  'file': 'Files and folders that cannot be restored whole', 'unreachable': 'Cannot be read now: machines that have it are off', 'file-off': 'Files and folders that cannot be restored whole now',
  'shard': 'Damaged shards found', 'degraded': 'Can be read, with missing shards',
}
const examplesShown = 3

/** The first of `count`, and how many more there are. */
function someOf(examples: readonly string[], count: number): string[] {
  return [...examples.slice(0, examplesShown).map(printable), ...(count > examplesShown ? [`… and ${count - examplesShown} more (--json)`] : [])]
}

function verifyLines(result: CommandResult<'verify'>): string {
  const { ok, snapshots, objects, healthy, off, findings } = result
  const heading = ok ? 'Everything can be restored' : isOnlyOff(result) ? 'NOT everything can be restored right now; nothing is lost' : 'NOT everything can be restored'
  if (ok && snapshots + objects === 0) return 'Nothing was backed up yet: there is nothing to restore'
  const counts = [[result.degraded, 'with missing shards'], [result.unreachable, 'on machines that are off'], [result.damaged, 'damaged'], [result.lost, 'gone']] as const
  return [
    `${heading}: ${counted(snapshots, 'snapshot')}, ${counted(objects, 'object')}: ${[`${healthy} whole`, ...counts.flatMap(([count, what]) => (count === 0 ? [] : [`${count} ${what}`]))].join(', ')}`,
    ...(off.length === 0 ? [] : [`  Off: ${off.map(printable).join(', ')}`]),
    ...(result.bytesRead > 0 ? [`  ${formatBytes(result.bytesRead)} read back and checked`] : []),
    `  ${protectionLine(result.protection)}`,
    ...findings.flatMap(({ kind, count, examples }) => [
      `  ${findingWords[kind]} (${count}):`, ...someOf(examples, count).map((line) => `    ${line}`),
    ]),
  ].join('\n')
}

/** What cannot be restored now could be, with machines that are off. */
export function isOnlyOff({ ok, damaged, lost, findings }: CommandResult<'verify'>): boolean {
  return !ok && damaged + lost === 0 && !findings.some(({ kind }) => kind === 'file')
}

function snapshotLines(result: CommandResult<'snapshots'>): string {
  if (result.snapshots.length === 0) return ['No snapshots yet.', ...freshnessLines(result)].join('\n')
  return `${formatTable([
    ['SNAPSHOT', 'TIME', 'MACHINE', 'FILES', 'SIZE', 'NEW', 'PATHS'],
    ...result.snapshots.map((snapshot) => [
      short(snapshot.id), formatTime(snapshot.time), printable(snapshot.host), String(snapshot.files), formatBytes(snapshot.bytes),
      formatBytes(snapshot.bytesNew), `${snapshot.paths.map(printable).join(', ')}${snapshot.damaged.length === 0 ? '' : ' (holds a damaged archive)'}`,
    ]),
  ])}\n${[`(${freshness(result)})`, ...freshnessLines(result)].join('\n')}`
}

function restoreLines(result: CommandResult<'restore'>): string {
  return [
    `Restored ${counted(result.files, 'file')}, ${counted(result.directories, 'folder')}, ${formatBytes(result.bytes)} in ${formatDuration(result.seconds)} to ${printable(result.target)}`,
    ...(result.resumedBytes > 0 ? [`  ${formatBytes(result.resumedBytes)} were there already from an interrupted run`] : []),
    ...(result.unchangedFiles > 0 ? [`  ${counted(result.unchangedFiles, 'file')} ${result.unchangedFiles === 1 ? 'was' : 'were'} the same already`] : []),
    ...result.written.slice(0, 10).map((path) => `  ${printable(path)}`),
    ...(result.written.length > 10 ? [`  … and ${result.written.length - 10} more`] : []),
    `  from snapshot ${short(result.snapshot)} (${freshness(result)})`, ...freshnessLines(result),
    ...skippedLines(result.skipped),
  ].join('\n')
}

/** What a drill tried of files that are too large to be tried whole. */
function partLines(parts: readonly { path: string; bytes: number; size: number }[]): string[] {
  return parts.map(({ path, bytes, size }) => `  in part: ${formatBytes(bytes)} of ${formatBytes(size)} by lot of ${printable(path)}`)
}

const causeWords: Readonly<Record<RepairCause, string>> = {
  silent: 'on computers that are off', removed: 'left, replaced or given up', damaged: 'damaged', dropped: 'no longer kept by their machine', level: 'the level grew',
  unfinished: 'never placed yet', unknown: 'not known',
}

function causeLines(bytesByCause: BytesByCause): string[] {
  const parts = repairCauses.flatMap((cause) => (bytesByCause[cause] === undefined ? [] : [`${causeWords[cause]}${bytesByCause[cause] === 0 ? '' : ` ${formatBytes(bytesByCause[cause])}`}`]))
  return parts.length === 0 ? [] : [`  why they lacked: ${parts.join(', ')}`]
}

function holderLines(holders: CommandResult<'status'>['holders']): string[] {
  if (holders.length === 0) return []
  const audited = holders.filter(({ lastAudit }) => lastAudit !== null)
  const oldest = audited.map(({ lastAudit }) => lastAudit ?? '').sort()[0]
  const failed = holders.filter(({ lastAudit, lastFailedAudit }) => lastFailedAudit !== null && (lastAudit === null || lastFailedAudit > lastAudit))
  return [
    `Held by ${holders.map(({ name }) => printable(name)).join(', ')}; ${audited.length} of ${holders.length} passed an audit${oldest === undefined ? '' : `, the earliest ${formatTime(oldest)}`}`,
    ...failed.map(({ name }) => `! ${printable(name)} failed its last audit: what it lost is made anew elsewhere`),
  ]
}

function adminLines({ admins, told }: CommandResult<'network admin add'>): string {
  return [`Admins, in order of rank: ${admins.map(({ name }) => printable(name)).join('; ')}`, ...toldLines(told)].join('\n')
}

function toldLines(told: { peers: number; of: number; rosters: number } | null): string[] {
  if (told === null) return []
  const rest = told.peers < told.of || told.rosters === 0 ? '; the others hear of it as they come' : ''
  return [`  ${told.peers} of ${told.of} machines and ${told.rosters} ${told.rosters === 1 ? 'roster know' : 'rosters know'} of it${rest}`]
}

function agreementLines({ agreement, approved, owner, terms, delivered, missing }: CommandResult<'retention agree'>): string {
  const wish = `Owner ${short(owner)}: the newest heads are meant so; holders keep ${terms.delayDays} days, a floor of ${terms.days} days and ${terms.weeks} weeks`
  if (!approved) return [wish, 'An admin has to agree too: send him this, for `holdfast retention approve`', agreement].join('\n')
  return [wish, `Told ${delivered.length} machines`, ...(missing.length === 0 ? [] : [`No answer from ${missing.map(printable).join(', ')}: this machine tells them when they come, or another one does with`, `  holdfast retention approve ${agreement}`])].join('\n')
}

/** Nothing while it is what everybody has. */
function termsText({ delayDays, days, weeks }: CommandResult<'retention agree'>['terms']): string {
  return delayDays === 30 && days === 14 && weeks === 8 ? '' : `, kept ${delayDays} days, a floor of ${days} days and ${weeks} weeks, as its owner and an admin agreed`
}

function freezeLines({ mayFreeze, dryRun }: { mayFreeze: boolean; dryRun: boolean }): string[] {
  if (!mayFreeze) return []
  return [`  That is most of the backup at once: holders ${dryRun ? 'would' : 'will'} let nothing of it go until you and an admin agree (holdfast retention agree)`]
}

function keepLine({ auto, last, hourly, daily, weekly, monthly, yearly, within }: CommandResult<'status'>['retention']): string {
  if (!auto) return 'all, until `holdfast forget`'
  const counts = Object.entries({ last, hourly, daily, weekly, monthly, yearly }).filter(([, count]) => count > 0).map(([name, count]) => `${count} ${name}`)
  return [...(within === null ? [] : [`all of the last ${within}`]), ...counts].join(', ')
}

function protectedLines(entries: readonly { path: string; excludes: readonly string[] }[]): string {
  if (entries.length === 0) return 'Nothing is protected.'
  return ['Protected:', ...entries.map(({ path, excludes }) => `  ${printable(path)}${excludes.length === 0 ? '' : `  except ${excludes.join(', ')}`}`)].join('\n')
}

function wordLines(words: string): string[] {
  const numbered = words.split(' ').map((word, index) => `${String(index + 1).padStart(2)}. ${word}`.padEnd(16))
  return [0, 6, 12, 18].map((start) => `  ${numbered.slice(start, start + 6).join('')}`.trimEnd())
}

function entryLines({ entries }: CommandResult<'ls'>): string {
  return formatTable(entries.map((entry) => [
    `${{ file: '-', directory: 'd', symlink: 'l' }[entry.type]}${modeText(entry.mode)}`, (entry.type === 'file' ? formatBytes(entry.size) : '').padStart(8), formatTime(entry.mtime),
    `${printable(entry.path)}${entry.target === undefined ? '' : ` -> ${printable(entry.target)}`}`,
  ]))
}

function modeText(mode: number): string {
  return [...'rwxrwxrwx'].map((letter, index) => (mode & (1 << (8 - index)) ? letter : '-')).join('')
}

const paceReasons = { active: 'somebody uses this machine', battery: 'it runs on its battery', metered: 'the connection costs money' }

function paceText({ state, reason }: CommandResult<'status'>['pace']): string {
  if (state === 'go' || reason === null) return ''
  return state === 'slow' ? `, slowly: ${paceReasons[reason]}` : `, which waits: ${paceReasons[reason]} (holdfast backup does not wait)`
}
