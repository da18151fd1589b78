import assert from 'node:assert/strict'
import { test } from 'node:test'
import { de } from '../../addin/messages/de.ts'
import { en } from '../../addin/messages/en.ts'
import { noticesOf, placeOf } from '../../addin/notices.ts'
import { noticeText } from '../../shared/notice-texts.ts'
import { type Notice, noticeCodes, noticeSchema, sayNotice } from '../../shared/notices.ts'

/** Values that cannot be mistaken for words of the message. */
const values = { name: 'Anaïs', names: ['Bo', 'Chi'], silent: ['Bo', 'Chi'], machine: '0a1b2c3d', here: true, locator: 'folder:/srv/list', by: 'Dora', why: 'laptop lost', at: '2026-11-22T06:00:00.000Z' }

/** Two of each code: with numbers of many and of one, and without what may be missing. */
const samples = noticeCodes.flatMap((code): Notice[] => [7, 1].map((number) => {
  const shape = noticeSchema.options.find((option) => option.shape.code.value === code)?.shape ?? {}
  return noticeSchema.parse(Object.fromEntries(Object.keys(shape).filter((key) => key !== 'detail').map((key) => [key, key === 'code' ? code : key === 'days' && code === 'stale' && number === 1 ? null : (values as Record<string, unknown>)[key] ?? number])))
}))

test('every notice is said in every language, with everything that it is about, and in words of that language', () => {
  for (const notice of samples) {
    const [english, german] = [sayNotice(en.notices, notice), sayNotice(de.notices, notice)]
    for (const text of [english, german]) {
      assert.doesNotMatch(text, /undefined|null|\[object|^\s*$/u, notice.code)
      for (const [key, value] of Object.entries(notice)) {
        if (key === 'at') assert.match(text, /22\D+(?:Nov|11)\D+2026/, 'in local time')
        if (key === 'code' || key === 'at' || typeof value === 'boolean' || value === null || (key === 'days' && value === 1)) continue
        for (const one of [value].flat()) assert.ok(text.includes(String(one)), `${notice.code} says nothing of ${key}: ${text}`)
      }
    }
    assert.notEqual(english, german)
  }
})

test('the command line says a notice without the signs of the pane, and adds what a program said', () => {
  assert.equal(noticeText({ code: 'refused', name: 'Bo', detail: 'the disk is full' }), 'Bo takes no more of this backup: the disk is full')
  assert.ok(samples.every((notice) => !noticeText(notice).includes('`')))
})

test('the pane shows each thing once: rosters that fail, then what has stood for long, and not what has a card of its own', () => {
  const frozen: Notice = { code: 'other-frozen', name: 'Bo' }
  const roster: Notice = { code: 'roster-unreachable', locator: 'folder:/srv/list', detail: 'gone' }
  const stale: Notice = { code: 'stale', name: 'Chi', days: 9 }
  const shown = noticesOf({
    notices: [{ code: 'kit-unconfirmed' }, { code: 'alone' }, frozen], rosters: [{ locator: 'folder:/srv/list', state: 'unreachable', detail: 'gone', notice: roster }, { locator: 'x', state: 'ok', detail: '', notice: null }],
    alerts: [{ since: '2026-11-01T00:00:00Z', text: '', notices: [frozen, stale] }],
  })
  assert.deepEqual(shown, [{ notice: frozen }, { notice: roster }, { notice: stale, since: '2026-11-01T00:00:00Z' }])
})

test('a place is told without how it is reached', () => {
  assert.deepEqual(['folder:/srv/a?b', 'ldaps://dc.corp.example:636/OU=Holdfast?x', 'sharepoint:https://contoso.sharepoint.com/sites/Team?client=1', 'exchange:list@contoso.com?client=1'].map(placeOf),
    ['/srv/a?b', 'dc.corp.example:636/OU=Holdfast', 'contoso.sharepoint.com/sites/Team', 'list@contoso.com'])
})

test('of a head that is missing, who told nothing of the others is not said to have heard all of them', () => {
  for (const [texts, all] of [[en.notices, /everybody answered/], [de.notices, /Geantwortet haben alle/]] as const) {
    assert.match(sayNotice(texts, { code: 'head-missing', machine: 'x', seq: 1, silent: [] }), all)
    assert.doesNotMatch(sayNotice(texts, { code: 'head-missing', machine: 'x', seq: 1 }), all)
  }
})
