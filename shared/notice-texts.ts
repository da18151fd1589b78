/** The notices in English, for the command line, mail and the pane. */
import { counted, needed } from './counted.ts'
import { type Notice, type NoticeTexts, sayNotice } from './notices.ts'

const time = (at: string) => new Date(at).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'long' })

export const noticeTexts: NoticeTexts = {
  'kit-unconfirmed': () => 'The recovery kit is not confirmed as stored: `holdfast key show`, then `holdfast key confirm`',
  'alone': () => 'No other computer is in the work group yet: nothing can be backed up',
  'single-copy': () => 'Only one copy elsewhere is possible: add a computer',
  'silent-machines': ({ names }) => `No answer from ${names.join(', ')}`,
  'approval-missing': () => 'This computer waits to be let in: an admin has to run `holdfast network approve`, or to let it in by the team view',
  'shut-out': () => 'An admin shut this computer out of the work group: nothing is backed up any more. It can enter another group; into the same one it comes back by a new invitation, with another --home',
  'has-left': () => 'This computer has left its work group: nothing is backed up any more until it enters another',
  'former-admin': () => 'Somebody who is no admin any more tried to change the work group from before; it was not followed here',
  'sign-in-needed': ({ locator }) => `The sign-in to the roster is missing or ended; backups go on. Sign in again: \`holdfast sign-in '${locator}'\``,
  'roster-unreachable': ({ locator }) => `The roster in ${locator} cannot be reached; backups go on without it`,
  'roster-empty': ({ locator }) => `Nothing of the work group is in the roster in ${locator} any more; see whether it was moved or emptied`,
  'roster-foreign': ({ locator }) => `The roster in ${locator} belongs to another work group; nothing is written to it`,
  'roster-rolled-back': ({ locator, at }) => `The roster in ${locator} went back in time (${time(at)}); its older records are ignored. Ask who restored it`,
  'not-restorable-now': ({ have, placed, need }) => `Not everything can be restored right now: only ${have} of the ${placed} computers that hold it answer, ${needed(need)}`,
  'few-answer': ({ have, placed, need }) => `Only ${have} of the ${placed} computers that hold the backup answer; ${needed(need)} to restore it`,
  'head-rolled-back': ({ machine, seen, found }) => `The holders show head ${found} of computer ${machine} although head ${seen} existed: somebody went back in time`,
  'head-missing': ({ machine, seq, silent }) => `Head ${seq} of computer ${machine} is known to exist, but nobody who answers has it${silent === undefined ? '' : silent.length === 0 ? ', and everybody answered' : `; ${silent.join(', ')} did not answer and may have it: a newer backup shows in \`holdfast snapshots\` once ${silent.length === 1 ? 'that is' : 'these are'} switched on`}`,
  'head-conflict': ({ machine }) => `Two computers sign backups with the key of computer ${machine}: stop the copy, or recover with the recovery kit on an empty computer, which shuts both out`,
  'heads-unreachable': () => 'The newest backups could not be asked for',
  'heads-not-in-time': () => 'The newest heads could not be asked for in time',
  'key-cloned-here': () => 'Another computer uses the key of this one, perhaps a copy of its home: stop the copy, or recover with the recovery kit on an empty computer, which shuts both out',
  'key-cloned': ({ name }) => `Two computers use the key of ${name}: its user is to stop the copy`,
  'recovered-elsewhere': () => 'Somebody recovered this backup with its 24 words on another computer, and this one is shut out. If that was not you, the recovery kit is in other hands',
  'contact-asked': ({ by, days: left, why }) => `${by} asked to open this backup as its recovery contact${why === '' ? '' : ` (“${why}”)`}; it can in ${counted(left, 'day')}. If that is not what you want: \`holdfast recovery-contact remove ${by}\``,
  'contact-open': ({ by }) => `${by} can open this backup, as its recovery contact. To end that: \`holdfast recovery-contact remove ${by}\``,
  'contact-asked-other': ({ by, name, days: left }) => `${by} asked to open the backup of ${name} as its recovery contact; ${left === 0 ? 'it can' : `it can in ${counted(left, 'day')}`}`,
  'own-frozen': ({ names, here }) => `Most of this backup was dropped at once, so ${[...names, ...(here ? ['this computer'] : [])].join(', ')} let nothing of it go. If you did not do that, this computer may be attacked: \`holdfast snapshots --kept\` shows what is still there. If you did: \`holdfast retention agree\``,
  'other-frozen': ({ name }) => `Most of the backup of ${name} was dropped at once: this computer keeps all of it until its owner and an admin have agreed`,
  'disk-damage': ({ damaged, unreadable }) => `The disk of this computer is not to be trusted: of what it keeps for others, ${counted(damaged, 'part')} came back other than they were stored and ${unreadable} not at all. Others make them anew. Have the disk checked, and see that this computer's own backup is protected`,
  'much-disk-damage': ({ damaged }) => `Disk or memory of this computer is not to be trusted: of what it keeps for others, ${counted(damaged, 'part')} are other than they were stored. That many may be the memory's fault, so it drops no more of them. Have both checked, and see that this computer's own backup is protected`,
  'refused': ({ name }) => `${name} takes no more of this backup`,
  'audit-failed': ({ name }) => `${name} could not show what it should keep of this backup; what is missing is made anew`,
  'drill-failed': () => 'The last restore drill failed',
  'stale': ({ name, days: age }) => `${name} has had no complete backup ${age === null ? 'yet' : `for ${counted(age, 'day')}`}`,
  'silent': ({ name, days: age }) => `${name} has not been seen for ${counted(age, 'day')}`,
  'deficit': ({ name, placed, wanted }) => `The backup of ${name} is only partly protected: ${placed} of ${wanted} copies for more than a day`,
  'member-drill-failed': ({ name }) => `The last restore drill of ${name} failed: \`holdfast drill\` there tells which file and why`,
  'member-frozen': ({ name, machines: count }) => `Most of the backup of ${name} was dropped at once; ${counted(count, 'computer')} let nothing of it go until its owner and an admin agree`,
  'left-early': ({ name, days: left }) => `${name} left the work group, and its backup is kept for ${counted(left, 'day')} only. If its user did not do that, the computer may be attacked: he has to recover with the recovery kit on an empty computer before then. If he did: \`holdfast network lost ${name}\``,
}

/** For the command line and for mail. */
export function noticeText(notice: Notice): string {
  const text = sayNotice(noticeTexts, notice).replaceAll('`', '')
  return notice.detail === undefined ? text : `${text}: ${notice.detail}`
}
