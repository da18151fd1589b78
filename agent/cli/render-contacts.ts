/** What `holdfast recovery-contact …` prints. */
import type { CommandResult } from '../../shared/api.ts'
import { waitText } from '../network/membership/contact-book.ts'
import { formatTable, formatTime, printable } from './format.ts'

type Contact = CommandResult<'recovery-contact list'>['mine'][number]

function stateText({ state, asked, opensInSeconds }: Contact): string {
  const by = asked === null ? '' : ` by ${printable(asked.by)}${asked.why === '' ? '' : ` (“${printable(asked.why)}”)`}`
  switch (state) {
    case 'ready': return 'nobody asked'
    case 'ended': return 'ended'
    case 'asked': return `asked for ${formatTime(asked?.time ?? '')}${by}; opens in ${waitText(opensInSeconds ?? 0)}`
    case 'open': return `open, asked for ${formatTime(asked?.time ?? '')}${by}`
  }
}

function contactTable(contacts: readonly Contact[]): string {
  return formatTable(contacts.map((contact) => [contact.contact.slice(0, 8), printable(contact.name), `${contact.waitDays} days to refuse`, stateText(contact)]))
}

export function listLines({ mine, others }: CommandResult<'recovery-contact list'>): string {
  return [
    ...(mine.length === 0 ? ['Nobody can open this backup but by its words: holdfast recovery-contact add MACHINE'] : ['Who can open this backup when its words are lost:', contactTable(mine)]),
    ...(others.length === 0 ? [] : ['Whose recovery contact you are:', contactTable(others)]),
  ].join('\n')
}

export function addedLines({ name, waitDays, delivered, missing }: CommandResult<'recovery-contact add'>): string {
  return [
    `${printable(name)} is a recovery contact now: ${waitDays === 1 ? 'a day' : `${waitDays} days`} after asking it can open this backup. You see when it asks, and can refuse.`,
    `  ${delivered.length} ${delivered.length === 1 ? 'machine keeps' : 'machines keep'} the other half of the key${missing.length === 0 ? '' : `; ${missing.map(printable).join(', ')} ${missing.length === 1 ? 'gets' : 'get'} it when on`}`,
  ].join('\n')
}

export function requestedLines({ owner, opensInSeconds }: CommandResult<'recovery-contact request'>): string {
  return opensInSeconds === 0
    ? `You can open the backup of ${printable(owner)}: holdfast recovery-contact restore ${printable(owner)} --target DIR`
    : `Asked to open the backup of ${printable(owner)}. Unless its owner refuses, it opens in ${waitText(opensInSeconds)}; everybody in the group sees that you asked.`
}

export function handedOverLines({ backups }: CommandResult<'handed-over list'>): string {
  if (backups.length === 0) return 'Nobody who left handed a backup to you.'
  return formatTable([['ID', 'OF', 'HANDED OVER', 'KEPT', 'OPENS ON'], ...backups.map(({ contact, name, made, keepDays, opensOn }) => [
    contact.slice(0, 8), printable(name), formatTime(made), keepDays === null ? 'its owner is here' : `${keepDays} days from leaving`, opensOn.map(printable).join(', '),
  ])])
}
