/** The settings as a person types them, and back. Pure: what cannot be read is named, and nothing is sent. */
import type { CommandInput } from '../shared/api.ts'
import { type SlowLink, slowLinkSchema } from '../shared/settings.ts'
import type { Messages } from './messages/messages.ts'
import type { Settings } from './state.ts'

export interface SettingsForm {
  readonly label: string
  /** `HH:MM` when the schedule is once a day; else empty and `cron` says it. */
  readonly daily: string
  readonly cron: string
  readonly quietFrom: string
  readonly quietTo: string
  readonly settleMinutes: string
  readonly growthMB: string
  readonly uploadMB: string
  readonly downloadMB: string
  /** A line each: network or interface, MB a second up, down; `-`: no limit. */
  readonly slowLinks: string
  readonly quotaGB: string
  readonly reservePercent: string
  readonly folders: string
  readonly caches: boolean
}

type Change = NonNullable<CommandInput<'settings'>['change']>

const MB = 1_000_000
const GB = 1_000_000_000
/** The agent counts growth in binary megabytes, as Outlook does. */
const MiB = 2 ** 20

const text = (value: number | null, unit: number) => (value === null ? '' : String(Math.round(value / unit * 100) / 100))
const two = (value: string) => value.padStart(2, '0')

export function formOf({ label, schedule, limits, offer, watchFolders, includeOutlookCaches }: Settings): SettingsForm {
  const [, minute, hour] = /^(\d{1,2}) (\d{1,2}) \* \* \*$/.exec(schedule.cron ?? '') ?? []
  const daily = minute === undefined || hour === undefined ? '' : `${two(hour)}:${two(minute)}`
  return {
    label: label ?? '', daily, cron: daily === '' ? schedule.cron ?? '' : '', quietFrom: schedule.quietHours?.from ?? '', quietTo: schedule.quietHours?.to ?? '',
    settleMinutes: text(schedule.settleSeconds, 60), growthMB: text(schedule.growthBytes, MiB),
    uploadMB: text(limits.uploadBytesPerSecond, MB), downloadMB: text(limits.downloadBytesPerSecond, MB),
    slowLinks: limits.slowLinks.map(slowLine).join('\n'),
    quotaGB: text(offer.quotaBytes, GB), reservePercent: text(offer.minFree, 0.01), folders: watchFolders.join('\n'), caches: includeOutlookCaches,
  }
}

const lines = (given: string) => given.split('\n').map((line) => line.trim()).filter((line) => line !== '')

function slowLine({ uploadBytesPerSecond, downloadBytesPerSecond, ...line }: SlowLink): string {
  const rates = [uploadBytesPerSecond, downloadBytesPerSecond].map((rate) => (rate === null ? '-' : text(rate, MB)))
  return ['network' in line ? line.network : line.interface, ...rates].join(' ')
}

/** `10.8.0.0/16 0.5 -`; undefined when it cannot be read. A name with spaces, such as Windows gives interfaces, is taken whole. */
function slowLinkOf(line: string): SlowLink | undefined {
  const [, name = '', ...given] = /^(.+?)\s+(\S+)\s+(\S+)$/.exec(line) ?? []
  const [uploadBytesPerSecond, downloadBytesPerSecond] = given.map((rate) => (rate === '-' ? null : Number(rate.replace(',', '.')) * MB))
  const link = slowLinkSchema.safeParse({ ...(name.includes('/') ? { network: name } : { interface: name }), uploadBytesPerSecond, downloadBytesPerSecond })
  return link.data
}

/** What differs from `before`; `wrong` names the fields that are no numbers, limits that nothing gets through, and quiet hours that end as they begin. A comma counts as a decimal point. */
export function changeOf(form: SettingsForm, before: Settings): { change: Change; wrong: readonly (keyof SettingsForm)[] } {
  const was = formOf(before)
  const wrong: (keyof SettingsForm)[] = []
  const number = (name: keyof SettingsForm, unit: number, least = 0): number | null => {
    const given = String(form[name]).trim().replace(',', '.')
    if (given === '') return null
    const value = Number(given)
    if (!Number.isFinite(value) || value < least) wrong.push(name)
    return unit < 1 ? value * unit : Math.round(value * unit)
  }
  const required = (name: keyof SettingsForm, unit: number, other: number): number => number(name, unit) ?? other
  const slowLinks = () => lines(form.slowLinks).map((line) => {
    const link = slowLinkOf(line)
    if (link === undefined) wrong.push('slowLinks')
    return link
  }).filter((link) => link !== undefined)
  const differs = (...names: (keyof SettingsForm)[]) => names.some((name) => form[name] !== was[name])
  const [daily, hour, minute] = /^(\d{2}):(\d{2})$/.exec(form.daily) ?? []
  const cron = form.cron.trim() !== '' ? form.cron.trim() : daily === undefined ? null : `${Number(minute)} ${Number(hour)} * * *`
  const quietHours = form.quietFrom !== '' && form.quietTo !== '' ? { from: form.quietFrom, to: form.quietTo } : null
  if ((form.quietFrom === '') !== (form.quietTo === '') || (quietHours !== null && form.quietFrom === form.quietTo)) wrong.push(form.quietFrom === '' ? 'quietFrom' : 'quietTo')
  const change: Change = {
    ...(differs('label') && form.label.trim() !== '' ? { label: form.label.trim() } : {}),
    ...(differs('daily', 'cron', 'quietFrom', 'quietTo', 'settleMinutes', 'growthMB') ? { schedule: { cron, quietHours, settleSeconds: required('settleMinutes', 60, before.schedule.settleSeconds), growthBytes: required('growthMB', MiB, before.schedule.growthBytes) } } : {}),
    ...(differs('uploadMB', 'downloadMB', 'slowLinks') ? { limits: {
      uploadBytesPerSecond: number('uploadMB', MB, 0.02), downloadBytesPerSecond: number('downloadMB', MB, 0.02), ...(differs('slowLinks') ? { slowLinks: slowLinks() } : {}),
    } } : {}),
    ...(differs('quotaGB', 'reservePercent') ? { offer: { quotaBytes: number('quotaGB', GB), minFree: required('reservePercent', 0.01, before.offer.minFree) } } : {}),
    ...(differs('folders') ? { watchFolders: lines(form.folders) } : {}),
    ...(differs('caches') ? { includeOutlookCaches: form.caches } : {}),
  }
  return { change, wrong }
}

/** What is said once `change` is saved: also that the group's minimum holds, when the reserve asked for is below it. */
export function savedText(m: Messages['settings'], { offer }: Change, after: Settings): string {
  return offer === undefined || after.groupMinFree === null ? m.saved : m.groupReserve(formOf(after).reservePercent)
}
