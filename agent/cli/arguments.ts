/** The command line as a table: words and options of each command, and how they become a request. */
import { parseArgs, type ParseArgsConfig } from 'node:util'
import { resolve } from 'node:path'
import type { CommandInput, CommandName } from '../../shared/api.ts'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { leastKeepDays } from '../../shared/network-commands.ts'
import { resolveHome } from '../config.ts'
import { homeAt } from '../home.ts'
import { groupChange, settingsChange } from './assignments.ts'
import { parseBytes, parseNumber } from './numbers.ts'

type OptionTable = NonNullable<ParseArgsConfig['options']>
type Values = Record<string, string | boolean | (string | boolean)[] | undefined>

interface Syntax {
  readonly usage: string
  readonly summary: string
  readonly options?: OptionTable
}

export interface Invocation {
  readonly name: string
  readonly positionals: readonly string[]
  readonly values: Values
  readonly home: string | undefined
  readonly json: boolean
}

const text = { type: 'string' } as const
const flag = { type: 'boolean' } as const
const list = { type: 'string', multiple: true } as const

/** In the order in which the help shows them. */
export const syntax: Record<string, Syntax> = {
  'agent': { usage: 'agent [--pane-port N] [--peer-port N] [--peer-host ADDR] [--quota BYTES] [--test-machine NAME]', summary: 'run the agent in the foreground (port 0: any free one)', options: { 'pane-port': text, 'peer-port': text, 'peer-host': text, 'quota': text, 'test-machine': text } },
  'autostart': { usage: 'autostart [on|off]', summary: 'start the agent when you log on' },
  'network create': { usage: 'network create NAME --roster LOCATOR [--redundancy auto|mirror-3|raid6|3-of-6] [--label NAME]', summary: 'found a work group; LOCATOR such as folder:/srv/team/holdfast', options: { roster: text, redundancy: text, label: text } },
  'network invite': { usage: 'network invite [--count N] [--hours N]', summary: 'print an invitation (one string)', options: { count: text, hours: text } },
  'network join': { usage: 'network join INVITATION [--label NAME]', summary: 'join a work group', options: { label: text } },
  'network settings': { usage: 'network settings [NAME=VALUE | NAME=default]…', summary: 'show or (admins) change what holds for the whole group: name, redundancy, minFree, admission, schedule.cron, schedule.quietHours; schedule=default: each machine\'s own' },
  'network admin add': { usage: 'network admin add MACHINE', summary: 'make an admin of the owner of a machine' },
  'network admin remove': { usage: 'network admin remove MACHINE [--yes]', summary: 'take the admin\'s key away for good', options: { yes: flag } },
  'network revoke': { usage: 'network revoke MACHINE [--why TEXT] [--yes]', summary: 'shut a machine out for good', options: { why: text, yes: flag } },
  'network lost': { usage: 'network lost MACHINE', summary: 'it will not come back: what it kept is made good elsewhere at once' },
  'network found': { usage: 'network found MACHINE', summary: 'it came back after all' },
  'network invitations': { usage: 'network invitations', summary: 'invitations, who came in by them, and which are open' },
  'network uninvite': { usage: 'network uninvite ID', summary: 'revoke an invitation; who came in by it stays' },
  'network move-roster': { usage: 'network move-roster LOCATOR [--keep]', summary: 'take the list of peers to another place, or with --keep to one place more', options: { keep: flag } },
  'network leave': { usage: 'network leave [--keep-days N | --hand-to MACHINE [--keep-days N] | --erase] [--force] [--yes]', summary: 'hand over what this machine keeps for others and leave; its own backups are kept for N days (90; 56 at least), kept for a colleague who can restore them (365), or erased', options: { 'keep-days': text, 'hand-to': text, 'erase': flag, 'force': flag, 'yes': flag } },
  'network requests': { usage: 'network requests', summary: 'machines that wait for an admin\'s approval' },
  'network approve': { usage: 'network approve MACHINE', summary: 'let a machine in that waits' },
  'network announce': { usage: 'network announce GROUP [--app entra:TENANT?client=ID] [--withdraw] [--device-code]', summary: 'tell everybody in a group of Microsoft Entra where the rosters are', options: { 'app': text, 'withdraw': flag, 'device-code': flag } },
  'network find': { usage: 'network find entra:TENANT?client=ID [--device-code]', summary: 'work groups that are announced to your account at Microsoft', options: { 'device-code': flag } },
  'protect': { usage: 'protect PATH… [--exclude PATTERN]…', summary: 'add files or folders to what is backed up', options: { exclude: list } },
  'unprotect': { usage: 'unprotect PATH…', summary: 'leave them out from now on; snapshots stay' },
  'backup': { usage: 'backup [PATH…] [--offline-ok] [--tag TAG[,TAG]]…', summary: 'back up now and wait until it is protected', options: { 'offline-ok': flag, 'tag': list } },
  'snapshots': { usage: 'snapshots [--kept]', summary: 'list the snapshots; --kept: those dropped from the backup that holders still have', options: { kept: flag } },
  'ls': { usage: 'ls SNAPSHOT[:PATH]', summary: 'list what a snapshot holds; SNAPSHOT may be `latest`' },
  'skipped': { usage: 'skipped [SNAPSHOT]', summary: 'all that is not in a snapshot (the newest), and why' },
  'search': { usage: 'search TEXT [--snapshot SNAPSHOT]', summary: 'find files of a snapshot by a part of their names', options: { snapshot: text } },
  'restore': { usage: 'restore SNAPSHOT[:PATH] [--target DIR [--overwrite] [--from DIR…]]', summary: 'bring files back, beside the originals or to DIR; --from reads collected shard folders', options: { target: text, overwrite: flag, from: list } },
  'outlook': { usage: 'outlook', summary: 'whether a restored archive can be opened in Outlook from here, and which there are' },
  'outlook open': { usage: 'outlook open FILE', summary: 'open an archive that was restored here in Outlook (Windows, classic Outlook)' },
  'suggestions': { usage: 'suggestions', summary: 'Outlook archives on this machine, protected or not' },
  'folders': { usage: 'folders [PATH]', summary: 'what the agent sees in a folder of this machine' },
  'settings': { usage: 'settings [NAME=VALUE | NAME=default]…', summary: 'show or change the settings, such as limits.uploadBytesPerSecond=2MB; default: the group\'s value again, or that of the program' },
  'pause': { usage: 'pause [--hours N]', summary: 'no backup starts by itself for so long (24 hours)', options: { hours: text } },
  'resume': { usage: 'resume', summary: 'end the pause' },
  'verify': { usage: 'verify [--read-data]', summary: 'can everything still be restored?', options: { 'read-data': flag } },
  'repair': { usage: 'repair', summary: 'make missing and damaged shards anew' },
  'drill': { usage: 'drill [--max-bytes SIZE]', summary: 'restore the newest archive and files by lot to a scratch folder and check them (an agent does so monthly)', options: { 'max-bytes': text } },
  'audit': { usage: 'audit', summary: 'ask each holder for random parts of what it keeps (an agent does so daily)' },
  'forget': { usage: 'forget [--keep-last N] [--keep-hourly N] [--keep-daily N] [--keep-weekly N] [--keep-monthly N] [--keep-yearly N] [--keep-within SPAN] [--keep-tag TAG[,TAG]]… [--tag TAG[,TAG]]… [--dry-run]', summary: 'drop snapshots, all but those to keep; SPAN such as 1y6m14d12h; --tag: only those with these tags', options: { 'keep-last': text, 'keep-hourly': text, 'keep-daily': text, 'keep-weekly': text, 'keep-monthly': text, 'keep-yearly': text, 'keep-within': text, 'keep-tag': list, 'tag': list, 'dry-run': flag } },
  'prune': { usage: 'prune [--max-rewrite SIZE] [--dry-run]', summary: 'leave out what no snapshot needs and rewrite packs that are mostly dead, or small and many', options: { 'max-rewrite': text, 'dry-run': flag } },
  'retention agree': { usage: 'retention agree [--delay-days N] [--days N] [--weeks N]', summary: 'owner: the change of my backup is meant so, or holders may let go sooner; reads the words from stdin', options: { 'delay-days': text, 'days': text, 'weeks': text } },
  'retention approve': { usage: 'retention approve AGREEMENT', summary: 'admin: consent to what an owner agreed to, and tell the holders' },
  'mail test': { usage: 'mail test [--user NAME]', summary: 'send a mail as alerts are sent; --user: asks for the password at the mail server and keeps it sealed', options: { user: text } },
  'peers': { usage: 'peers', summary: 'the machines of the work group' },
  'status': { usage: 'status', summary: 'what is protected here, and how well' },
  'coverage': { usage: 'coverage', summary: 'who in the group is covered and who is not' },
  'coverage list': { usage: 'coverage list [SITE] [--off]', summary: 'show who is covered in a list of the SharePoint site, kept up to date by this machine', options: { off: flag } },
  'key show': { usage: 'key show', summary: 'show the recovery kit, until it is confirmed as stored' },
  'key confirm': { usage: 'key confirm [--yes]', summary: 'the kit is stored safely: erase the words from this machine', options: { yes: flag } },
  'recovery-contact add': { usage: 'recovery-contact add MACHINE [--wait-days N]', summary: 'let a colleague open this backup N days (3) after he asked, when the words are lost; everybody sees that he asks', options: { 'wait-days': text } },
  'recovery-contact remove': { usage: 'recovery-contact remove MACHINE', summary: 'end that; refuses a request, too' },
  'recovery-contact list': { usage: 'recovery-contact list', summary: 'your recovery contacts, and whose contact you are' },
  'recovery-contact request': { usage: 'recovery-contact request MACHINE [--why TEXT]', summary: 'contact: ask to open the backup of a machine\'s owner', options: { why: text } },
  'recovery-contact snapshots': { usage: 'recovery-contact snapshots MACHINE', summary: 'contact: list its snapshots, when the time to refuse is over' },
  'recovery-contact restore': { usage: 'recovery-contact restore MACHINE --target DIR [--snapshot SNAPSHOT[:PATH]]', summary: 'contact: restore it to DIR', options: { target: text, snapshot: text } },
  'handed-over list': { usage: 'handed-over list', summary: 'backups that colleagues who left handed to you' },
  'handed-over snapshots': { usage: 'handed-over snapshots MACHINE', summary: 'list the snapshots of one' },
  'handed-over ls': { usage: 'handed-over ls MACHINE [--snapshot SNAPSHOT[:PATH]]', summary: 'list what a snapshot of it holds', options: { snapshot: text } },
  'handed-over restore': { usage: 'handed-over restore MACHINE --target DIR [--snapshot SNAPSHOT[:PATH]]', summary: 'restore it to DIR', options: { target: text, snapshot: text } },
  'handed-over pass-on': { usage: 'handed-over pass-on MACHINE --to MACHINE', summary: 'let another machine open it too: a colleague\'s, or a new one of yours', options: { to: text } },
  'handed-over remove': { usage: 'handed-over remove MACHINE [--yes]', summary: 'drop it for good: the others need not keep it any longer', options: { yes: flag } },
  'recover': { usage: 'recover --locator STRING | --peer HOST:PORT | --invitation STRING [--label NAME]', summary: 'on an empty machine: get ready to restore; reads the words from stdin; --invitation: when an admin shut the lost machine out', options: { locator: text, peer: text, invitation: text, label: text } },
  'sign-in': { usage: 'sign-in LOCATOR [--user NAME [--ca FILE] | --device-code | --folder DIR] [--prepare]', summary: 'sign this machine in where the roster is: in the browser, with a password, or by a folder that is synchronised with it', options: { 'folder': text, 'user': text, 'ca': text, 'prepare': flag, 'device-code': flag } },
  'doctor': { usage: 'doctor [--fix | --unfix]', summary: 'check this machine and print how to fix what is wrong; --fix makes its browsers trust the pane', options: { fix: flag, unfix: flag } },
  'manifest': { usage: 'manifest [--office] [--base-url URL] [--icon-base-url URL] [--out DIR]', summary: 'print the Outlook add-in\'s manifest (--office: Word and Excel) for this agent\'s address or another', options: { 'office': flag, 'base-url': text, 'icon-base-url': text, 'out': text } },
  'open': { usage: 'open [--code] [--print]', summary: 'open the pane in the browser, connected; --code shows what to type in a pane that is open', options: { code: flag, print: flag } },
  'demo': { usage: 'demo [--machines N] [--size BYTES] [--file PATH] [--exit]', summary: 'a work group on this machine: protect, grow, lose machines, recover, compare', options: { machines: text, file: text, size: text, exit: flag } },
}

const global: OptionTable = { home: text, json: flag, help: { type: 'boolean', short: 'h' }, version: flag }

/** Undefined when help or the version was asked for instead. Throws `invalid-input` with the usage of the command. */
export function parseInvocation(argv: readonly string[]): Invocation | { help: string | undefined } | { version: true } {
  const words = argv.filter((word, index) => !word.startsWith('-') && argv[index - 1] !== '--home')
  if (words[0] === 'help') return { help: topicOf(words.slice(1)) }
  const name = commandOf(words)
  if (name === undefined) {
    if (argv.includes('--version')) return { version: true }
    if (words.length === 0) return { help: undefined }
    throw new HoldfastError('invalid-input', `Cannot run ${words.slice(0, 2).join(' ')}: no such command; see holdfast help`)
  }
  const command = syntax[name] as Syntax
  const options = { ...global, ...command.options }
  let rest = withNegatives(argv, options)
  for (const word of name.split(' ')) rest = rest.toSpliced(rest.indexOf(word), 1)
  try {
    const { values, positionals } = parseArgs({ args: rest, options, allowPositionals: true, strict: true })
    if (values['help'] === true) return { help: name }
    if (values['home'] === '') throw usageError(name, '--home is empty')
    return { name, positionals, values, home: values['home'] as string | undefined, json: values['json'] === true }
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause
    throw usageError(name, refusalOf(cause as NodeJS.ErrnoException), cause)
  }
}

/** `--keep-last -1` as `--keep-last=-1`: parseArgs takes the number for an option. What the option does not take is refused with its limits. */
function withNegatives(argv: readonly string[], options: OptionTable): string[] {
  const takesText = (word: string | undefined) => word?.startsWith('--') === true && options[word.slice(2)]?.type === 'string'
  return argv.flatMap((word, index) => {
    if (takesText(word) && /^-\d/.test(argv[index + 1] ?? '')) return [`${word}=${argv[index + 1]}`]
    return /^-\d/.test(word) && takesText(argv[index - 1]) ? [] : [word]
  })
}

/** What parseArgs does not take, in words for people. */
function refusalOf({ code, message }: NodeJS.ErrnoException): string {
  const option = /'(?:-\w, )?(-[^\s'=]+)/.exec(message)?.[1] ?? ''
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') return `there is no option ${option}`
  if (code !== 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE') return message
  return message.includes('does not take') ? `${option} takes no value` : `${option} needs a value; one that begins with a dash is written ${option}=-…`
}

/** The longest command that the words begin with. */
function commandOf(words: readonly string[]): string | undefined {
  return [3, 2, 1].map((count) => words.slice(0, count).join(' ')).find((candidate) => Object.hasOwn(syntax, candidate))
}

/** Which command help is asked for; undefined for all of them, as by the first word of several (`network`). */
function topicOf(words: readonly string[]): string | undefined {
  const name = commandOf(words)
  if (name !== undefined || words.length === 0 || words[0] === 'help') return name
  if (Object.keys(syntax).some((each) => each.startsWith(`${words.join(' ')} `))) return undefined
  throw new HoldfastError('invalid-input', `Cannot help with ${words.slice(0, 2).join(' ')}: no such command; see holdfast help`)
}

/** The request of a command that an agent can run. Paths become absolute here, where the working directory is known. */
export function toRequest(invocation: Invocation): { name: CommandName; input: CommandInput<CommandName> } {
  const { name, positionals, values } = invocation
  const one = (what: string) => {
    const [value, ...more] = positionals
    if (value === undefined || value.trim() === '' || more.length > 0) throw usageError(name, `it takes one ${what}`)
    return value
  }
  const none = () => {
    if (positionals.length > 0) throw usageError(name, `${positionals[0]} is one word too many`)
  }
  const paths = () => positionals.map((path) => {
    if (path === '') throw usageError(name, 'a path is empty')
    return resolve(path)
  })
  switch (name) {
    case 'network create':
      return { name, input: { name: one('NAME'), roster: required(name, values, 'roster'), ...given(values, 'redundancy'), ...given(values, 'label') } }
    case 'network invite':
      none()
      return { name, input: { ...numeric(values, 'count'), ...numeric(values, 'hours') } }
    case 'network join':
      return { name, input: { invitation: one('INVITATION'), ...given(values, 'label') } }
    case 'network settings': return { name, input: { change: withUsage(name, () => groupChange(positionals)) as never } }
    case 'network admin add': case 'network admin remove': case 'network approve': return { name, input: { machine: one('MACHINE') } }
    case 'network revoke': return { name, input: { machine: one('MACHINE'), ...given(values, 'why') } }
    case 'network lost': return { name, input: { machine: one('MACHINE') } }
    case 'network found': return { name: 'network lost', input: { machine: one('MACHINE'), found: true } }
    case 'network move-roster': return { name, input: { locator: one('LOCATOR'), keep: values['keep'] === true } }
    case 'network leave':
      none()
      if (values['erase'] === true && values['keep-days'] !== undefined) throw usageError(name, '--erase keeps nothing')
      if (values['erase'] === true && values['hand-to'] !== undefined) throw usageError(name, '--erase leaves nothing to hand over')
      return { name, input: {
        backups: values['erase'] === true ? 'erase' : 'keep', force: values['force'] === true,
        ...(typeof values['hand-to'] === 'string' ? { handTo: values['hand-to'] } : {}),
        ...(typeof values['keep-days'] === 'string' ? { days: parseNumber('keep-days', values['keep-days'], { min: leastKeepDays, max: 36_500 }) } : {}),
      } }
    case 'recovery-contact add':
      return { name, input: { machine: one('MACHINE'), ...(typeof values['wait-days'] === 'string' ? { waitDays: parseNumber('wait-days', values['wait-days'], { min: 1, max: 30 }) } : {}) } }
    case 'recovery-contact remove': return { name, input: { contact: one('MACHINE') } }
    case 'recovery-contact request': return { name, input: { owner: one('MACHINE'), ...given(values, 'why') } }
    case 'recovery-contact snapshots': return { name, input: { owner: one('MACHINE') } }
    case 'recovery-contact restore': return { name, input: { owner: one('MACHINE'), target: resolve(required(name, values, 'target')), ...snapshotOf(values) } }
    case 'handed-over snapshots': case 'handed-over remove': return { name, input: { owner: one('MACHINE') } }
    case 'handed-over pass-on': return { name, input: { owner: one('MACHINE'), to: required(name, values, 'to') } }
    case 'handed-over ls': return { name, input: { owner: one('MACHINE'), ...snapshotOf(values) } }
    case 'handed-over restore': return { name, input: { owner: one('MACHINE'), target: resolve(required(name, values, 'target')), ...snapshotOf(values) } }
    case 'network uninvite': return { name, input: { id: one('ID') } }
    case 'network announce': return { name, input: { group: one('GROUP'), withdraw: values['withdraw'] === true, deviceCode: values['device-code'] === true, ...given(values, 'app') } }
    case 'network find': return { name, input: { app: one('entra:TENANT?client=ID'), deviceCode: values['device-code'] === true } }
    case 'coverage list': return { name, input: { off: values['off'] === true, ...(positionals.length === 0 ? {} : { site: one('SITE') }) } }
    case 'protect': return { name, input: { paths: paths(), excludes: (values['exclude'] as string[] | undefined) ?? [] } }
    case 'unprotect': return { name, input: { paths: paths() } }
    case 'backup': return { name, input: { paths: paths(), offlineOk: values['offline-ok'] === true, tags: tagLists(values, 'tag').flat() } }
    case 'ls': return { name, input: splitSnapshotPath(one('SNAPSHOT[:PATH]')) }
    case 'restore':
      if (values['target'] === undefined && values['overwrite'] === true) throw usageError(name, '--overwrite needs --target')
      return { name, input: { ...splitSnapshotPath(one('SNAPSHOT[:PATH]')), target: values['target'] === undefined ? null : resolve(required(name, values, 'target')), overwrite: values['overwrite'] === true } }
    case 'skipped': return { name, input: positionals.length === 0 ? {} : { snapshot: one('SNAPSHOT') } }
    case 'search': return { name, input: { text: one('TEXT'), snapshot: values['snapshot'] === undefined ? 'latest' : String(values['snapshot']) } }
    case 'settings': return { name, input: settingsRequest(invocation) as never }
    case 'pause':
      none()
      return { name, input: { hours: 24, ...numeric(values, 'hours') } }
    case 'resume':
      none()
      return { name: 'pause', input: { hours: null } }
    case 'folders': return { name, input: positionals.length === 0 ? { files: true } : { path: resolve(one('PATH')), files: true } }
    case 'verify':
      none()
      return { name, input: { readData: values['read-data'] === true } }
    case 'drill':
      none()
      return { name, input: typeof values['max-bytes'] === 'string' ? { maxBytes: parseBytes(values['max-bytes']) } : {} }
    case 'forget':
      none()
      return { name, input: {
        ...keep(values, 'last'), ...keep(values, 'hourly'), ...keep(values, 'daily'), ...keep(values, 'weekly'), ...keep(values, 'monthly'), ...keep(values, 'yearly'),
        ...(typeof values['keep-within'] === 'string' ? { within: values['keep-within'] } : {}),
        keepTags: tagLists(values, 'keep-tag'), tagged: tagLists(values, 'tag').flat(), dryRun: values['dry-run'] === true,
      } }
    case 'prune':
      none()
      return { name, input: { maxRewriteBytes: typeof values['max-rewrite'] === 'string' ? parseBytes(values['max-rewrite']) : null, dryRun: values['dry-run'] === true } }
    case 'snapshots':
      none()
      return { name, input: { kept: values['kept'] === true } }
    case 'retention approve': return { name, input: { agreement: one('AGREEMENT') } }
    case 'outlook open': return { name, input: { path: resolve(one('FILE')) } }
    case 'suggestions': case 'outlook': case 'repair': case 'audit': case 'peers': case 'status': case 'coverage': case 'mail test': case 'key show': case 'key confirm': case 'network invitations': case 'network requests': case 'recovery-contact list': case 'handed-over list':
      none()
      return { name, input: {} }
    case 'doctor':
      none()
      return { name, input: { fix: values['fix'] === true, unfix: values['unfix'] === true } }
    default: throw new TypeError(`${name} is not run by an agent`)
  }
}

/** `unset` only where there is any: an agent of the version before knows of none. */
function settingsRequest({ positionals, home }: Invocation): object {
  const { change, unset } = withUsage('settings', () => settingsChange(positionals, homeAt(resolveHome(home)).config))
  return { change, ...(unset.length === 0 ? {} : { unset }) }
}

/** Of `--snapshot`, the newest without it. */
function snapshotOf(values: Values): { snapshot: string; path: string } {
  return splitSnapshotPath(typeof values['snapshot'] === 'string' ? values['snapshot'] : 'latest')
}

/** `abc123:/home/ann/mail.pst` → snapshot and path. A snapshot id holds no colon. */
export function splitSnapshotPath(value: string): { snapshot: string; path: string } {
  const colon = value.indexOf(':')
  return colon < 0 ? { snapshot: value, path: '' } : { snapshot: value.slice(0, colon), path: value.slice(colon + 1) }
}

function numeric<K extends string>(values: Values, option: K): Partial<Record<K, number>> {
  const value = values[option]
  if (typeof value !== 'string') return {}
  return { [option]: parseNumber(option, value, { min: 0, max: 1e6 }) } as Partial<Record<K, number>>
}

function keep<K extends string>(values: Values, period: K): Partial<Record<K, number>> {
  const value = values[`keep-${period}`]
  if (typeof value !== 'string') return {}
  return { [period]: parseNumber(`keep-${period}`, value, { min: 0, max: 100_000, whole: true }) } as Partial<Record<K, number>>
}

/** `--tag a,b --tag c` → [[a, b], [c]] */
function tagLists(values: Values, option: string): string[][] {
  return ((values[option] as string[] | undefined) ?? []).map((value) => value.split(',').map((tag) => tag.trim()))
}

function given<K extends string>(values: Values, option: K): Partial<Record<K, string>> {
  const value = values[option]
  return typeof value === 'string' ? { [option]: value } as Partial<Record<K, string>> : {}
}

function required(name: string, values: Values, option: string): string {
  const value = values[option]
  if (typeof value !== 'string' || value === '') throw usageError(name, value === '' ? `--${option} is empty` : `it needs --${option}`)
  return value
}

/** `invalid-input` with the usage of the command. */
export function usageError(name: string, state: string, cause?: unknown): HoldfastError {
  return new HoldfastError('invalid-input', `Cannot run ${name}: ${state}\n${usageOf(name)}`, { cause })
}

function withUsage<T>(name: string, parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    if (!hasCode(cause, 'invalid-input')) throw cause
    throw new HoldfastError('invalid-input', `${cause.message}\n${usageOf(name)}`, { cause })
  }
}

/** The line that shows how a command is written. */
export function usageOf(name: string): string {
  return `usage: holdfast ${syntax[name]?.usage ?? name}`
}

export function helpText(name: string | undefined): string {
  if (name !== undefined) return `holdfast ${syntax[name]?.usage}\n  ${syntax[name]?.summary}\n\nEvery command takes --home DIR (or HOLDFAST_HOME) and --json.\n`
  const lines = Object.values(syntax).map(({ usage, summary }) => `  holdfast ${usage}\n      ${summary}`)
  return `Holdfast: the machines of a work group keep each other's backups.\n\n${lines.join('\n')}\n\n`
    + 'Every command takes --home DIR (or HOLDFAST_HOME) for the agent\'s state and --json for one JSON document on stdout.\n'
}
