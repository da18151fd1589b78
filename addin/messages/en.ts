/** Every visible string of the pane, in English. The other languages have the same shape. */
import type { ErrorCode } from '../../shared/errors.ts'

/** What happened, and what a person can do about it here; the agent's own words stand below it. */
type Told = Partial<Record<ErrorCode, { readonly title: string; readonly guidance: string }>>

const one = (count: number, single: string, several: string) => (count === 1 ? single : several)

export const en = {
  title: 'Holdfast',
  views: { protection: 'Protection', restore: 'Restore', team: 'Team', settings: 'Settings', attach: 'Attach' },
  common: {
    cancel: 'Cancel', close: 'Close', back: 'Back', next: 'Next', retry: 'Try again', undo: 'Undo', save: 'Save', change: 'Change', loading: 'Asking the agent…', busy: 'Working…', never: 'never',
    copy: 'Copy', copied: 'Copied', open: 'Open', search: 'Search', more: 'Show more', up: 'One folder up', choose: 'Choose', remove: 'Stop protecting',
    of: (have: string, all: string) => `${have} of ${all}`,
  },
  problem: {
    title: 'That did not work', whatToDo: 'What to do',
    agentNotRunning: 'The Holdfast agent is not running on this computer',
    agentNotRunningHelp: 'Start it with `holdfast agent`, or restart the computer if it is set up to start by itself. This page connects again by itself.',
    internal: 'Something unexpected went wrong. Try again; if it stays, report it with the log of the agent.',
    told: {
      'invalid-input': { title: 'That cannot be used as it is typed', guidance: 'Check what you typed.' },
      'invalid-config': { title: 'A setting is not valid', guidance: 'Correct the value that is named here.' },
      'not-found': { title: 'That was not found', guidance: 'It may have been moved, or no backup has it. Go back and choose again.' },
      'already-exists': { title: 'It exists already', guidance: 'Choose another name or place.' },
      'not-a-member': { title: 'This computer is in no work group', guidance: 'Join with an invitation, or start a work group.' },
      'unauthorized': { title: 'Not allowed', guidance: 'Ask an admin of the work group.' },
      'not-paired': { title: 'This page is not connected', guidance: 'Type the code again, or open Holdfast anew.' },
      'forbidden': { title: 'Not allowed', guidance: 'Only an admin of the work group may do that.' },
      'too-many-attempts': { title: 'Too many attempts', guidance: 'Get a new code with `holdfast open --code`.' },
      'revoked': { title: 'This computer was shut out of the work group', guidance: 'It was replaced by a recovery, or an admin removed it. Ask the admin.' },
      'invitation-invalid': { title: 'The invitation cannot be used', guidance: 'Copy all of it once more. When it is used up or too old, ask for a new one.' },
      'recovery-words-invalid': { title: 'The words are not right', guidance: 'Compare each word, and their order, with your recovery kit.' },
      'roster-unavailable': { title: 'The list of the team cannot be reached', guidance: 'Check the network and the shared folder. Backups and restores go on meanwhile.' },
      'peer-unreachable': { title: 'A computer of the team does not answer', guidance: 'It may be switched off. Try again later; backups go on with the others.' },
      'quota-exceeded': { title: 'The other computers have no space left for you', guidance: 'Ask your colleagues to offer more in their settings, or invite another machine.' },
      'disk-full': { title: 'The disk is full', guidance: 'Free some space and start again; it goes on where it stopped.' },
      'too-few-holders': { title: 'Too few computers of the team are on', guidance: 'Switch on others or invite some. It goes on by itself when they are there.' },
      'object-missing': { title: 'A part of the backup cannot be reached now', guidance: 'Switch on the computers that keep it (Protection, "Where the copies are"), then try again.' },
      'object-damaged': { title: 'A part of the backup is damaged', guidance: 'Choose an older backup, or run `holdfast repair`: other computers may have it whole.' },
      'format-unknown': { title: 'Written by a newer Holdfast', guidance: 'Update Holdfast on this computer.' },
      'protocol-unknown': { title: 'The other computer has another version', guidance: 'Update Holdfast on the older one.' },
      'key-missing': { title: 'The key is not here', guidance: 'Recover with your recovery kit.' },
      'key-cloned': { title: 'Two computers use the same key', guidance: 'Stop the copy. If you know of none, recover with the recovery kit on an empty computer: that shuts both out.' },
      'file-changed': { title: 'A file changed while it was read', guidance: 'Nothing to do: it is read again at the next backup.' },
      'file-unreadable': { title: 'A file cannot be read', guidance: 'Close the program that has it open, or see whether you may read it.' },
      'target-newer': { title: 'There is a newer file', guidance: 'It was left as it is. Restore to another folder.' },
      'target-unwritable': { title: 'That folder cannot be written', guidance: 'Choose another folder.' },
      'path-unsafe': { title: 'That place is not allowed', guidance: 'Nothing was written there. Choose another folder.' },
      'timeout': { title: 'No answer in time', guidance: 'Try again; check the network.' },
      'internal': { title: 'Something unexpected went wrong', guidance: 'Try again; if it stays, report it with the log of the agent.' },
    } as Told,
  },
  pairing: {
    heading: 'Connect to Holdfast on this computer', ended: 'You were disconnected, because this page was not used for long or its access was taken back. Connect again.',
    intro: 'This page talks to the Holdfast agent on your computer only. Connect it once.',
    easiest: 'The easiest way: run `holdfast open` on this computer.',
    orCode: 'Or run `holdfast open --code` and type the code that it shows:',
    company: 'Connect with my company account', code: 'Code of six characters', remember: 'Stay connected on this computer (until 30 days after the last use)', connect: 'Connect', failed: 'That was not the right code.',
  },
  protection: {
    heading: 'Are my mails safe?',
    protected: 'Everything is protected', protectedText: (survives: number) => (survives === 0 ? 'It can be restored, but no further machine may be lost.' : `Even if ${survives} ${one(survives, 'more machine is', 'more machines are')} lost, everything comes back.`),
    partial: 'Only partly protected', partialText: (placed: number, wanted: number) => `${placed} of ${wanted} machines hold it. Switch on the others or add machines; Holdfast goes on by itself.`,
    unprotected: 'Not protected yet', unprotectedText: 'Choose what to protect and back up once; from then on it runs by itself.',
    atRisk: 'At risk', nothing: 'Nothing is protected yet', nothingText: 'Choose your Outlook archives or folders.',
    alone: 'No other machine is in the work group yet. Invite your colleagues: their machines keep your backup.', invite: 'Invite colleagues',
    attention: 'Not everything could be backed up', attentionText: 'What is marked below needs your attention; the rest is protected.', stale: (duration: string) => `No backup for ${duration}`, staleText: 'What changed since then is not protected. Back up now, or see whether backups are paused.',
    trouble: {
      missing: () => 'It is not there any more; the backups have it.', skipped: (name: string) => `${name} could not be read: a program may lock it, or you may not read it. It is tried again at the next backup.`,
      placing: (placed: number, wanted: number) => `${placed} of ${wanted} copies are made; the rest follows when more machines are on.`,
      damaged: (name: string, sound: string | undefined) => (sound === undefined ? `${name} is damaged itself. Repair it with Outlook's Inbox Repair Tool (scanpst.exe).` : `${name} is damaged itself. The backup of ${sound} is sound: restore that one.`),
    },
    backUpNow: 'Back up now', pause: 'Pause for a day', resume: 'Resume', paused: (until: string) => `Paused until ${until}`, chooseWhat: 'Choose what to protect', restore: 'Restore', what: 'What is protected', add: 'Add', folder: 'Folder', size: 'Size',
    lastSnapshot: 'Last backup', nextRun: 'Next', whereCopies: 'Where the copies are', neverBackedUp: 'never backed up', changedSince: 'changed since', growth: (bytes: string) => `${bytes} new since`,
    whenIdle: 'when something changes', running: 'running now', copies: (count: number) => `${count} ${one(count, 'machine holds', 'machines hold')} your backup`,
    noLonger: (name: string) => `${name} is no longer backed up. Backups of it are kept.`, state: { protected: 'Protected', partial: 'Partly protected', unprotected: 'Not protected' },
    machine: { online: 'on', away: 'off', doubtful: 'off for long', gone: 'gone' },
    kind: { outlook: 'Outlook archive', file: 'File', folder: 'Folder', missing: 'Not there any more' },
    found: 'Outlook archives on this computer', protectThis: 'Protect', warnings: 'Needs your attention',
    kit: 'Your recovery kit is not stored yet', kitText: 'Without it nobody can bring your files back when this computer is lost.', showKit: 'Show the recovery kit',
    keeps: (used: string, free: string) => `This computer keeps ${used} for the others; ${free} are still free to them.`,
  },
  progress: {
    names: { 'backup': 'Backing up', 'restore': 'Restoring', 'verify': 'Checking', 'repair': 'Repairing', 'recover': 'Recovering', 'forget': 'Tidying up', 'prune': 'Making room' } as Record<string, string>,
    queued: 'waiting for its turn', rate: (rate: string) => `${rate} per second`, left: (duration: string) => `about ${duration} left`, cancel: 'Cancel', cancelling: 'Stopping…', done: 'of', read: (bytes: string) => `${bytes} read`,
    cancelled: 'Stopped. Start it again and it goes on where it was.', finished: { backup: 'Backup finished', restore: 'Restored' },
  },
  choose: {
    heading: 'Choose what to protect', here: 'This folder', protectHere: 'Protect this folder', empty: 'Nothing in here', intro: 'Go to a folder, or pick single files.', added: (name: string) => `${name} is protected from now on.`,
  },
  restore: {
    heading: 'Get it back', empty: 'There is no backup yet', emptyText: 'As soon as the first backup is made, you can restore it here.',
    newest: 'Newest backup', restoreMine: 'Restore my archive', restoreAll: 'Restore everything', restoreThis: 'Restore', beside: 'It is put beside the original, under a name that says which backup it is from. Nothing is overwritten.',
    from: (when: string) => `as of ${when}`, older: 'An older backup', timeline: 'Backups', what: 'What', size: (bytes: string) => `${bytes} in all`, change: (bytes: string) => `+${bytes}`, files: (count: string) => `${count} files`,
    incomplete: 'some files could not be read', damaged: 'holds an archive that was damaged already', sound: 'The newest backup holds an archive that was damaged already. This is the newest one that is sound.', browse: 'Look inside', searchLabel: 'Search for a file or folder', noHits: 'Nothing of that name in this backup.', more: 'There are more: search for a longer part of the name.',
    found: (answered: number, asked: number) => `Newest found: ${answered} of ${asked} machines answered. A newer backup may exist on one that is off.`, confirmed: 'Every machine was asked: this is the newest.',
    done: 'It is back', doneFiles: (files: string, bytes: string) => `${files} files, ${bytes}`, doneSame: 'It was there already and is the same.', where: 'Where', skipped: (count: number) => `${count} ${one(count, 'file', 'files')} could not be restored`,
    inOutlook: 'To read it, in Outlook: File, Open & Export, Open Outlook Data File, and choose this file:', inOutlookHere: 'To read it here: File, Open & Export, Open Outlook Data File, and choose this file:', toBeside: 'Beside the original again', toNewest: 'Back to the newest', otherTarget: 'Another folder', target: 'Folder to restore to', here: 'Restore to this folder', again: 'Restore something else', download: 'Download', computer: (host: string) => `from ${host}`,
  },
  attach: {
    heading: 'Attach from backup', intro: 'Pick a file out of a backup; it is attached to the message that you are writing.', notComposing: 'Open this while you are writing a message in Outlook.',
    tooLarge: (limit: string) => `Too large: Outlook takes at most ${limit}.`, attach: 'Attach', attached: (name: string) => `${name} is attached.`, attaching: (name: string) => `Attaching ${name}…`,
  },
  team: {
    heading: 'Is everybody protected?', protectedOf: (good: number, all: number) => `${good} of ${all} are protected`, all: (all: number) => (all === 2 ? 'Both are protected' : `All ${all} are protected`), alone: 'You are alone in the work group',
    aloneText: 'Backups need other machines. Invite your colleagues: their machines keep your backup, and yours keeps theirs.', members: 'Members', yourTeam: 'Your team', seeTeam: 'See the team',
    counts: { good: (count: number) => `${count} protected`, warning: (count: number) => `${count} ${one(count, 'needs', 'need')} a look`, bad: (count: number) => `${count} not protected` },
    standing: {
      nothing: 'has chosen nothing yet', never: 'never backed up', atRisk: 'too few copies left', gone: 'gone', overdue: 'backup too old', frozen: 'much vanished from its backup: see whether that was meant', partly: 'not all copies are made', offLong: 'switched off for long', aging: 'backup is getting old', unknown: 'copies not known', covered: 'protected',
    },
    noBackupFor: (duration: string) => `no backup for ${duration}`, copiesOf: (placed: string, wanted: string) => `${placed} of ${wanted} copies`, andMore: (count: number) => `and ${count} more`,
    member: 'Member', lastBackup: 'Last backup', copies: 'Copies', waiting: 'Not backed up yet', verified: 'Last tried restore', machine: 'Machine', none: '–', on: 'on',
    you: 'you', offFor: (duration: string) => `switched off for ${duration}`,
    legend: (fresh: string, old: string) => `Green: backed up within ${fresh}, with all copies. Yellow: older, or copies are missing. Red: no backup for ${old}, or none at all. Striped: switched off, its backup is kept.`,
    details: 'All figures',
    invite: 'Invite', inviteHeading: 'Invite colleagues', inviteCount: 'For how many machines', inviteText: 'Send this to your colleagues. Each opens Holdfast, chooses "I have an invitation" and pastes it.', makeInvitation: 'Make an invitation', validUntil: (time: string) => `good until ${time}`,
    csv: 'Save as CSV', level: 'Redundancy', levelText: (level: string) => `Each part of a backup is on so many machines: ${level}`, machines: (online: number, all: number) => `${online} of ${all} machines are on`,
    offer: (used: string, offer: string) => `keeps ${used} of ${offer}`, site: 'All machines in one building share its risks: fire, flood, theft. A machine elsewhere lowers them.',
  },
  settings: {
    heading: 'Settings', name: 'Name of this computer', schedule: 'When', daily: 'Every day at', cron: 'Instead of once a day, by a schedule (cron)', advanced: 'More', quietFrom: 'Never between', quietTo: 'and', computer: 'This computer', settle: 'Back up a changed archive after so many minutes of rest', growth: 'or as soon as so many MB are new', caches: 'Protect Outlook caches (OST) too: they can be fetched again from the server', limits: 'How much of the network', upload: 'At most, upload (MB per second)', download: 'At most, download (MB per second)', unlimited: 'no limit',
    space: 'Space for the others', quota: 'Offer at most (GB)', reserve: 'Keep free on this disk (%)', folders: 'Folders in which archives are looked for', saved: 'Saved', afterRestart: (names: string) => `Taken up when the agent starts next: ${names}`, wrong: 'Check this value',
  },
  start: {
    heading: 'Welcome to Holdfast', intro: 'The computers of your team keep each other\'s backups: encrypted, in the space that is free anyway.', step: (number: number) => `Step ${number} of 3`,
    join: 'I have an invitation', joinText: 'Somebody in your team uses Holdfast already.', invitation: 'Invitation', joinNow: 'Join',
    create: 'Start a work group', createText: 'You are the first. You will invite the others.', groupName: 'Name of the work group', roster: 'Folder that all computers of the team can reach (or sharepoint:, exchange:, ldaps:)', createNow: 'Start',
    recover: 'My old computer is lost', recoverText: 'You have your recovery kit: 24 words and a locator.', words: 'The 24 words', locator: 'Locator, or the address of a colleague\'s machine (host:port)', recoverNow: 'Recover',
    protectHeading: 'What shall be protected?', kitHeading: 'Store your recovery kit', recovered: (count: number) => `Found ${count} ${one(count, 'backup', 'backups')}. The lost computer is shut out.`, recoveredHeading: 'Your backup is here again', toRestore: 'Restore now', chosen: (count: number) => `${count} ${one(count, 'thing', 'things')} chosen`, later: 'Choose later', finish: 'Done', yourComputer: 'Name of this computer',
  },
  kit: {
    heading: 'Recovery kit', text: 'These 24 words open your backup when this computer is lost. Print them, keep them away from it, and show them to nobody.', words: 'Words', locator: 'Locator', keep: 'Keep it safe', print: 'Print', save: 'Save as a file', isKept: 'It is printed, saved elsewhere or written down', after: 'When you confirm, the words are erased from this computer and cannot be shown again.', stored: 'I have stored it safely', erased: 'The words are erased from this computer. From now on only your kit has them.', later: 'Later',
  },
}

export type Messages = typeof en
