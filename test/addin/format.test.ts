import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatsFor } from '../../addin/format.ts'
import { de } from '../../addin/messages/de.ts'
import { en } from '../../addin/messages/en.ts'
import { messagesFor } from '../../addin/messages/messages.ts'

const english = formatsFor('en-US')
const plain = (text: string) => text.replaceAll(/\s/gu, ' ')

test('sizes are told in the largest unit that fits, and never in more than a person reads', () => {
  assert.deepEqual([0, 1, 999, 1000, 3_600_000, 123_456_789, 50e9, 4e15].map((bytes) => plain(english.bytes(bytes))),
    ['0 bytes', '1 byte', '999 bytes', '1 kB', '3.6 MB', '123 MB', '50 GB', '4,000 TB'])
  assert.equal(plain(formatsFor('de-DE').bytes(3_600_000)), '3,6 MB')
})

test('ages and durations are told as a person says them', () => {
  const now = Date.parse('2026-11-22T12:00:00Z')
  const ago = (seconds: number) => english.relative(new Date(now - seconds * 1000).toISOString(), now)
  assert.deepEqual([0, 30, 90, 7200, 86_400, 10 * 86_400, 20 * 86_400, 400 * 86_400].map(ago),
    ['now', '30 seconds ago', '1 minute ago', '2 hours ago', 'yesterday', '10 days ago', '2 weeks ago', 'last year'])
  assert.equal(english.relative(new Date(now + 300_000).toISOString(), now), 'in 5 minutes')
  assert.deepEqual([english.duration(59), english.duration(172_800)], ['59 seconds', '2 days'])
})

/** Every string, with the functions called on sample values. */
function texts(messages: object, at = ''): [string, string][] {
  return Object.entries(messages).flatMap(([name, value]: [string, unknown]) => {
    const path = `${at}.${name}`
    if (path === '.notices') return [] // notices.test.ts
    if (typeof value === 'string') return [[path, value]]
    if (typeof value === 'function') return [1, 2].map((count): [string, string] => [`${path}(${count})`, String((value as (...given: unknown[]) => unknown)(...Array.from({ length: Math.max(2, value.length) }, (_, index) => count + index)))])
    return texts(value as object, path)
  })
}

test('both languages say everything, and nothing is left in English', () => {
  const [ours, theirs] = [texts(en), texts(de)]
  assert.deepEqual(theirs.map(([path]) => path), ours.map(([path]) => path))
  assert.deepEqual([...ours, ...theirs].filter(([, text]) => text.trim() === '' || /undefined|\[object/u.test(text)), [])
  const same = ours.filter(([path, text], index) => theirs[index]?.[1] === text && /[a-z]{4,} [a-z]{3,}/iu.test(text) && path !== '.title')
  assert.deepEqual(same, [])
})

test('the language is that of Office or of the browser; without ours it is English', () => {
  assert.equal(messagesFor('de-AT').language, 'de')
  assert.equal(messagesFor('fr-FR').language, 'en')
})
