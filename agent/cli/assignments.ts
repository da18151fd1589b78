/**
 * `NAME=VALUE…` of `settings` and `network settings`: how the words become a change, and what is said of a name that cannot
 * be changed there. A value is JSON where it reads as such, else text; a size may be written `10GB`.
 */
import { resolve } from 'node:path'
import { HoldfastError } from '../../shared/errors.ts'
import { groupChangeSchema, settingsChangeSchema } from '../../shared/settings.ts'
import { namesUnder, settingSchemas } from '../commands/setting-names.ts'
import { configSchema, defaultConfig } from '../config.ts'
import { parseBytes } from './numbers.ts'

export interface Assignments {
  /** `{ limits: { workers: 2 }, label: 'Desk' }` of `limits.workers=2 label=Desk`. */
  readonly change: object
  /** Names that go back to the group's value, or the default. */
  readonly unset: readonly string[]
}

const own = settingSchemas(settingsChangeSchema)
const ofGroup = settingSchemas(groupChangeSchema)
const inFile = settingSchemas(configSchema)
/** What config.json has and a command of its own writes. */
const writtenBy: Readonly<Partial<Record<string, string>>> = { 'protect': 'holdfast protect', 'coverageList': 'holdfast coverage list', 'schedule.pausedUntil': 'holdfast pause' }
/** Settings whose value is a text, also when it reads as a number. */
const texts: ReadonlySet<string> = new Set(['name', 'label', 'redundancy', 'schedule.cron'])
/** What a work group is founded with. */
const groupDefaults: Readonly<Record<string, unknown>> = { redundancy: 'auto', minFree: defaultConfig.offer.minFree, admission: 'open', schedule: null }
/** How those are written that are more than a word. */
const mails = '["ann@example.com"]'
const examples: Readonly<Partial<Record<string, string>>> = {
  'schedule.quietHours': '{"from":"22:00","to":"06:30"}', 'limits.slowLinks': '[{"network":"10.8.0.0/16","uploadBytesPerSecond":"500KB"}]', 'mail.to': mails, 'mail.admins': mails,
  'mail.smtp': '{"host":"mail.example.com","from":"holdfast@example.com"}', 'mail.microsoft': '{"client":"ID","tenant":"TENANT"}',
}
const isSize = (name: string) => /Bytes(?:PerSecond)?$/.test(name)

/** Of this machine; `file` is its config.json. Throws `invalid-input`. */
export function settingsChange(words: readonly string[], file: string): Assignments {
  const given = read(words)
  for (const [name, value] of given) {
    if (namesUnder(own.keys(), name).length > 0) continue
    if (namesUnder(inFile.keys(), name).length > 0) throw cannot(name, writtenBy[name] === undefined ? inFileText(name, value, file) : `\`${writtenBy[name]}\` changes it`)
    throw cannot(name, wholeText(name) ?? `there is no such setting${suggestion(name, own.keys())}`)
  }
  const unset = given.filter(([, value]) => value === 'default').map(([name]) => name)
  return { change: changeOf(given.filter(([name]) => !unset.includes(name)), own), unset }
}

/** Of the whole work group. Throws `invalid-input`. */
export function groupChange(words: readonly string[]): object {
  const given = read(words)
  for (const [name] of given) {
    if (namesUnder(ofGroup.keys(), name).length === 0) throw cannot(name, wholeText(name) ?? `the work group has no such setting${suggestion(name, ofGroup.keys())}`)
  }
  const back = given.filter(([name, value]) => value === 'default' && name !== 'name')
  for (const [name] of back) {
    if (!Object.hasOwn(groupDefaults, name)) throw cannot(name, 'it has no default of its own; schedule=default leaves the schedule to each machine')
  }
  return { ...changeOf(given.filter((one) => !back.includes(one)), ofGroup), ...Object.fromEntries(back.map(([name]) => [name, groupDefaults[name]])) }
}

function cannot(name: string, why: string): HoldfastError {
  return new HoldfastError('invalid-input', `Cannot change ${name}: ${why}`)
}

function read(words: readonly string[]): [string, string][] {
  const given = words.map((word): [string, string] => {
    const [, name, value = ''] = /^([a-zA-Z]+(?:\.[a-zA-Z]+)*)=(.*)$/s.exec(word) ?? []
    if (name === undefined) throw new HoldfastError('invalid-input', `Cannot change ${word}: write NAME=VALUE, such as label=Desk`)
    return [name, value]
  })
  const twice = given.find(([name], index) => given.findIndex(([other]) => other === name) !== index)
  if (twice !== undefined) throw cannot(twice[0], 'it is given twice')
  return given
}

function inFileText(name: string, value: string, file: string): string {
  const [group = '', key] = name.split('.')
  const document = JSON.stringify(jsonOf(value))
  return `it is set in ${file} alone; write ${key === undefined ? `"${group}": ${document}` : `"${group}": { "${key}": ${document} }`} there and start the agent anew`
}

/** Of `schedule.quietHours.from`. */
function wholeText(name: string): string | undefined {
  const whole = Object.keys(examples).find((each) => name.startsWith(`${each}.`))
  return whole === undefined ? undefined : `${whole} is changed as a whole: '${whole}=${examples[whole]}'`
}

/** The same word in a group, or written otherwise: `quotabytes` is `offer.quotaBytes`. */
function suggestion(name: string, known: Iterable<string>): string {
  const last = (text: string) => (text.split('.').at(-1) ?? '').toLowerCase()
  const like = [...known].filter((each) => last(each) === last(name))
  return like.length === 0 ? '; `holdfast settings` shows those that there are' : `; do you mean ${like.join(' or ')}?`
}

function changeOf(given: readonly (readonly [string, string])[], schemas: ReadonlyMap<string, { safeParse: (value: unknown) => { success: boolean } }>): object {
  const change: Record<string, unknown> = {}
  for (const [name, text] of given) {
    const value = valueOf(name, text)
    if (value === null && schemas === own && schemas.get(name)?.safeParse(null).success === false) throw cannot(name, `it cannot be null; ${name}=default goes back to the group's value or the default`)
    if (typeof value === 'string' && examples[name] !== undefined) throw cannot(name, `write '${name}=${examples[name]}'`)
    const [group = '', key] = name.split('.')
    if (key === undefined) change[group] = value
    else change[group] = { ...change[group] as object | undefined, [key]: value }
  }
  return change
}

function valueOf(name: string, text: string): unknown {
  if (texts.has(name)) return text === 'null' ? null : text
  if (name === 'watchFolders' && !text.startsWith('[') && text !== 'null') return [resolve(text)]
  const value = jsonOf(text)
  return isSize(name) && typeof value === 'string' ? parseBytes(value) : value
}

/** Sizes inside may be written `10GB`, too. */
function jsonOf(text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return text
  }
  return withSizes(value)
}

function withSizes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withSizes)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, isSize(key) && typeof inner === 'string' ? parseBytes(inner) : withSizes(inner)]))
}
