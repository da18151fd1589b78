/** What every roster has to do (agent/network/roster/port.ts). `open` gives a fresh, empty, writable roster. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Roster } from '../../agent/network/roster/port.ts'

export interface RosterSuite {
  readonly name: string
  /** `again` opens the same place a second time, as another machine would. */
  open(): Promise<{ roster: Roster; again: () => Roster; [Symbol.asyncDispose](): Promise<void> }>
}

const network = 'network/000001.jws'
const peer = `peers/${'ab'.repeat(32)}.jws`
const head = `heads/${'ab'.repeat(32)}-${'cd'.repeat(32)}.json`
const claim = `claims/${'ef'.repeat(32)}-1.jws`

async function contentOf(roster: Roster): Promise<Record<string, string>> {
  const { records } = await roster.list()
  return Object.fromEntries(records.map(({ name, text }) => [name, text]))
}

export function rosterSuite({ name, open }: RosterSuite): void {
  test(`${name}: an empty roster lists nothing`, async () => {
    await using place = await open()
    const { records, ignored } = await place.roster.list()
    assert.deepEqual([records.length, ignored], [0, 0])
  })

  test(`${name}: records of every kind come back under their names, for another machine too`, async () => {
    await using place = await open()
    for (const record of [network, peer, head, claim]) await place.roster.putOwn(record, `text of ${record}`)
    const expected = Object.fromEntries([network, peer, head, claim].map((record) => [record, `text of ${record}`]))
    assert.deepEqual(await contentOf(place.again()), expected)
  })

  test(`${name}: putOwn replaces, and the last writer wins`, async () => {
    await using place = await open()
    await place.roster.putOwn(peer, 'first')
    await place.again().putOwn(peer, 'second')
    assert.deepEqual(await contentOf(place.roster), { [peer]: 'second' })
  })

  test(`${name}: of many who create the same name at once, one creates it and the text is that one's`, async () => {
    await using place = await open()
    const writers = Array.from({ length: 8 }, (_, index) => ({ roster: place.again(), text: `writer ${index}` }))
    const results = await Promise.all(writers.map(async ({ roster, text }) => ({ text, result: await roster.createOnce(claim, text) })))
    const created = results.filter(({ result }) => result === 'created')
    assert.equal(created.length, 1)
    assert.deepEqual(await contentOf(place.roster), { [claim]: created[0]?.text })
  })

  test(`${name}: createOnce leaves what is there as it is`, async () => {
    await using place = await open()
    await place.roster.putOwn(network, 'one')
    assert.equal(await place.again().createOnce(network, 'two'), 'exists')
    assert.deepEqual(await contentOf(place.roster), { [network]: 'one' })
  })

  test(`${name}: remove takes one record away, and a second time is no error`, async () => {
    await using place = await open()
    await place.roster.putOwn(peer, 'x')
    await place.roster.putOwn(head, 'y')
    await place.roster.remove(peer)
    await place.roster.remove(peer)
    assert.deepEqual(await contentOf(place.roster), { [head]: 'y' })
  })

  test(`${name}: list with the last cursor shows what changed since, and only a whole listing says what is gone`, async () => {
    await using place = await open()
    await place.roster.putOwn(peer, 'one')
    const first = await place.roster.list()
    assert.equal(first.whole, true)
    const second = await place.roster.list(first.cursor)
    assert.deepEqual([second.records.length, second.whole], [0, false])
    await place.again().putOwn(network, 'a record more')
    const third = await place.roster.list(second.cursor)
    assert.ok(third.records.some((record) => record.name === network && record.text === 'a record more'))
  })

  test(`${name}: names that are no record names are refused before anything is written`, async () => {
    await using place = await open()
    for (const bad of ['../x.jws', 'peers/../../x.jws', 'peers/x.json', 'other/aa.jws', '/etc/aa.jws', 'peers/AB.jws', String.raw`peers\aa.jws`, 'peers/', '']) {
      await assert.rejects(place.roster.putOwn(bad, 'x'), TypeError, bad)
      await assert.rejects(place.roster.createOnce(bad, 'x'), TypeError, bad)
    }
    await assert.rejects(place.roster.putOwn(peer, 'x'.repeat(65_537)), TypeError)
    assert.deepEqual(await contentOf(place.roster), {})
  })

  test(`${name}: an aborted call rejects and writes nothing`, async () => {
    await using place = await open()
    const signal = AbortSignal.abort(new Error('enough'))
    await assert.rejects(place.roster.putOwn(peer, 'x', { signal }), /enough/)
    await assert.rejects(place.roster.createOnce(claim, 'x', { signal }), /enough/)
    assert.deepEqual(await contentOf(place.roster), {})
  })
}
