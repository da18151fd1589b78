/** What a person sees of the settings: all of them, or what a change made of those that it named. */
import type { CommandResult } from '../../shared/api.ts'
import { namesUnder } from '../commands/setting-names.ts'
import { formatBytes, printable } from './format.ts'

type Settings = CommandResult<'settings'>['settings']

export function settingsLines(settings: Settings): string {
  return [...settingLines(settable(settings)), ...besides(settings)].join('\n')
}

/** `asked`: names of settings, or of groups of them. `offer.minFree: 0.3 -> 0.4`, and of one that is as it was that it is. */
export function changeLines(before: Settings, after: Settings, asked: readonly string[]): string {
  const was = valuesOf(settable(before))
  const is = valuesOf(settable(after))
  const changed = [...is].filter(([name, value]) => value !== was.get(name)).map(([name, value]) => `${name}: ${was.get(name)} -> ${value}${sizeText(name, value)}`)
  const same = asked.flatMap((name) => namesUnder(is.keys(), name)).filter((name) => is.get(name) === was.get(name))
  const { groupMinFree, afterRestart } = after
  // Of a whole group that was named only what changed is worth a line.
  const told = same.filter((name) => asked.includes(name)).map((name) => `${name}: ${is.get(name)}, as it was`)
  return [...changed, ...(changed.length + told.length === 0 ? ['Nothing changed'] : told), ...besides({ groupMinFree: asked.some((name) => namesUnder(['offer.minFree'], name).length > 0) ? groupMinFree : null, afterRestart })].join('\n')
}

/** Without what is told about them. */
function settable(settings: Settings): object {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => name !== 'afterRestart' && name !== 'groupMinFree'))
}

function besides({ afterRestart, groupMinFree }: Pick<Settings, 'afterRestart' | 'groupMinFree'>): string[] {
  return [
    ...(groupMinFree === null ? [] : [`The group's minimum holds instead of a lower offer.minFree of this machine: ${groupMinFree}`]),
    ...(afterRestart.length === 0 ? [] : [`Taken up when the agent starts next: ${afterRestart.join(', ')}`]),
  ]
}

/** `schedule.cron=0 12 * * *`, as the command takes them. */
export function settingLines(settings: object): string[] {
  return [...valuesOf(settings)].map(([name, value]) => `${name}=${value}`)
}

function valuesOf(settings: object, prefix = ''): Map<string, string> {
  return new Map(Object.entries(settings).flatMap(([name, value]: [string, unknown]): [string, string][] => {
    const isGroup = prefix === '' && typeof value === 'object' && value !== null && !Array.isArray(value)
    return isGroup ? [...valuesOf(value, `${name}.`)] : [[`${prefix}${name}`, typeof value === 'string' ? printable(value) : printable(JSON.stringify(value))]]
  }))
}

/** Of numbers of bytes that are long to read. */
function sizeText(name: string, value: string): string {
  const bytes = Number(value)
  return /Bytes(?:PerSecond)?$/.test(name) && bytes >= 1000 ? ` (${formatBytes(bytes)}${name.endsWith('PerSecond') ? ' a second' : ''})` : ''
}
