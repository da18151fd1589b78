/** Which controls of the pane (pane-controls.ts) no browser test used. Pure, but for `readUses`. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PaneControls } from './pane-controls.ts'

/** A control that was used, and the words on it as they were shown. */
export interface Use {
  readonly control: string
  readonly text: string
}

/** Words of a button that is at work and cannot be pressed. */
const whileBusy: ReadonlySet<string> = new Set(['common.busy', 'progress.cancelling', 'restore.opening'])

/** `languages`: messages; those of the first have all names. A line each. */
export function unusedControls({ controls, given }: PaneControls, uses: readonly Use[], languages: readonly [object, ...object[]]): string[] {
  const pathsOf = (labels: readonly string[]) => [...new Set(labels.flatMap((label) => resolve(languages[0], label)))].filter((path) => !whileBusy.has(path))
  const usesOf = (wanted: PaneControls['controls']) => uses.filter(({ control }) => wanted.some(({ id }) => id === control))
  const missing = (of: readonly Use[], labels: readonly string[]) => {
    if (labels.length < 2) return of.length > 0 ? [] : labels
    const seen = new Set(of.flatMap(({ text }) => shownIn(text, labels, languages)))
    return labels.filter((label) => !seen.has(label))
  }
  const unused = controls.filter((control) => control.given === undefined).flatMap((control) => {
    const [place, labels, of] = [`${control.id} <${control.tag}>`, pathsOf(control.labels), usesOf([control])]
    if (labels.length === 0) return of.length > 0 ? [] : [place]
    return missing(of, labels).map((label) => `${place} ${label}`)
  })
  const kinds = [...new Set(given.map(({ to }) => to))]
  return [...unused, ...kinds.flatMap((kind) => {
    const labels = pathsOf(given.filter(({ to }) => to === kind).flatMap((one) => one.labels))
    return missing(usesOf(controls.filter((control) => control.given === kind)), labels).map((label) => `${kind} ${label}`)
  })]
}

/** Of those labels the longest that a text has in it; those that are made at run time when it has none. */
function shownIn(text: string, labels: readonly string[], languages: readonly object[]): string[] {
  const words = labels.flatMap((label) => languages.map((messages) => ({ label, word: valueAt(messages, label) })))
  const plain = words.flatMap(({ label, word }) => (typeof word === 'string' && text.includes(word) ? [{ label, length: word.length }] : []))
  const longest = Math.max(0, ...plain.map(({ length }) => length))
  if (plain.length > 0) return plain.filter(({ length }) => length === longest).map(({ label }) => label)
  return words.filter(({ word }) => typeof word === 'function' && fits(word as (...names: string[]) => string, text)).map(({ label }) => label)
}

/** Whether a sentence with names in it may be that text. */
function fits(sentence: (...names: string[]) => string, text: string): boolean {
  const name = '⟦name⟧'
  return new RegExp(RegExp.escape(sentence(name, name, name)).replaceAll(RegExp.escape(name), '.+'), 'u').test(text)
}

function valueAt(messages: object, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], messages)
}

/** The paths of messages that a path with `*` in it stands for; none when there is no such message. */
function resolve(messages: unknown, path: string): string[] {
  const [first = '', ...rest] = path.split('.')
  if (typeof messages !== 'object' || messages === null) return []
  const names = first === '*' ? Object.keys(messages) : first in messages ? [first] : []
  return names.flatMap((name) => {
    const value = (messages as Record<string, unknown>)[name]
    if (rest.length > 0) return resolve(value, rest.join('.')).map((more) => `${name}.${more}`)
    return typeof value === 'string' || typeof value === 'function' ? [name] : []
  })
}

/** What test/support/used-controls.ts wrote there. */
export function readUses(folder: string): Use[] {
  return globSync(join(folder, '*.jsonl')).flatMap((path) => readFileSync(path, 'utf8').split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Use))
}
