import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatsFor } from '../../addin/format.ts'
import { de } from '../../addin/messages/de.ts'
import { en } from '../../addin/messages/en.ts'
import type { Connection, Status } from '../../addin/state.ts'
import { verdictOf } from '../../addin/verdict.ts'

type PathStatus = Status['paths'][number]
type Known = Pick<Status, 'paths' | 'protection' | 'network'>

const nowMs = Date.UTC(2026, 4, 20)
const ago = (days: number) => new Date(nowMs - days * 86_400_000).toISOString()
const path: PathStatus = { path: '/a.pst', state: 'protected', lastSnapshot: 's1', lastSnapshotTime: ago(0.1), changedSince: false, reason: null, trouble: null, skipped: 0, kind: 'outlook', bytes: 1, growthBytes: 0 }
const network = { id: 'n', name: 'Team', redundancy: 'auto', level: '2-of-3', members: 4, online: 4 }
const good: Known = { paths: [path, { ...path, path: '/b' }], protection: { state: 'protected', placed: 3, wanted: 3, survives: 1, reach: { have: 3, placed: 3, need: 2 } }, network }

/** The first of two paths is changed. */
const withPath = (change: Partial<PathStatus>): Partial<Known> => ({ paths: [{ ...path, ...change }, ...good.paths.slice(1)] })
const withTrouble = (kind: NonNullable<PathStatus['trouble']>['kind']) => withPath({ trouble: { kind, path: '/a.pst', soundTime: null } })
const withReach = (have: number, change: Partial<Known['protection']> = {}): Partial<Known> => ({ protection: { ...good.protection, ...change, reach: { have, placed: 3, need: 2 } } })
const partial = { state: 'partial', placed: 1, wanted: 3, survives: 0, reach: { have: 1, placed: 1, need: 1 } } as const

test('while an archive lies there that nobody protects, it is not everything that is protected', () => {
  const heading = (isLeftOut: boolean) => verdictOf({ messages: en, formats: formatsFor('en') }, good, { nowMs, connection: 'connected', isLeftOut }).heading
  assert.deepEqual([heading(false), heading(true)], ['Everything is protected', 'What you chose is protected'])
})

test('the verdict is the worst of what is so, with its reason', () => {
  const { protection: m } = en
  const cases: [string, Partial<Known>, string, string, string, Connection?][] = [
    ['all is well', {}, 'good', 'Everything is protected', m.protectedText(1)],
    ['no machine may be lost', { protection: { ...good.protection, survives: 0 } }, 'good', 'Everything is protected', 'It can be restored, but no further computer may be lost.'],
    ['the agent is stopped', {}, 'warning', 'Nothing is backed up now', m.stoppedText, 'offline'],
    ['the agent is stopped while there was nothing', { paths: [] }, 'warning', 'Nothing is backed up now', m.stoppedText, 'offline'],
    ['alone in the group', { network: { ...network, members: 1 } }, 'bad', 'Not protected yet', m.alone],
    ['alone, and nothing chosen', { network: { ...network, members: 1 }, paths: [] }, 'bad', 'Not protected yet', m.alone],
    ['nothing chosen', { paths: [] }, 'bad', 'Nothing is protected yet', m.nothingText],
    ['one of two was never backed up', withPath({ lastSnapshot: null, lastSnapshotTime: null }), 'bad', 'Not protected yet', m.unprotectedText],
    ['too few to restore', { protection: { ...partial, state: 'unprotected' } }, 'bad', 'At risk', '1 of 3 computers hold it. Switch on the others or add computers; Holdfast goes on by itself.'],
    ['too few and old', { ...withPath({ lastSnapshotTime: ago(30) }), protection: { ...partial, state: 'unprotected' } }, 'bad', 'At risk', m.partialText(1, 3)],
    ['three days old, to the second', withPath({ lastSnapshotTime: ago(3) }), 'good', 'Everything is protected', m.protectedText(1)],
    ['four days old', withPath({ lastSnapshotTime: ago(4) }), 'warning', 'No backup for 4 days', m.staleText],
    ['nine days old', withPath({ lastSnapshotTime: ago(9) }), 'bad', 'No backup for 9 days', m.staleText],
    ['nine days old and partly', { ...withPath({ lastSnapshotTime: ago(9) }), protection: partial }, 'bad', 'No backup for 9 days', m.staleText],
    ['moved away long ago: no age', withPath({ lastSnapshotTime: ago(9), kind: 'missing', trouble: { kind: 'missing', path: '/a.pst', soundTime: null } }), 'warning', 'Something is not there any more', m.movedText],
    ['two machines: one copy', { protection: { ...partial, placed: 1, wanted: 1 } }, 'warning', 'Only partly protected', 'One other computer keeps the only copy. Let a third computer join the work group.'],
    ['too many are off to restore', withReach(1), 'warning', 'It cannot be restored right now', '1 of the 3 computers that hold it is on; 2 are needed. Nothing is lost: it works again as soon as they are on.'],
    ['too many are off, and old', { ...withPath({ lastSnapshotTime: ago(9) }), ...withReach(1) }, 'bad', 'No backup for 9 days', m.staleText],
    ['none may go before the one that is off is back', withReach(2), 'good', 'Everything is protected', m.protectedText(0)],
    ['all are on, and more than may be lost are there', withReach(3, { survives: 0 }), 'good', 'Everything is protected', m.protectedText(0)],
    ['partly', { protection: partial }, 'warning', 'Only partly protected', m.partialText(1, 3)],
    ['partly, and one could not be read', { ...withTrouble('skipped'), protection: partial }, 'warning', 'Only partly protected', m.partialText(1, 3)],
    ['one could not be read', withTrouble('skipped'), 'warning', 'Not everything could be backed up', m.attentionText],
    ['one is damaged itself', withTrouble('damaged'), 'warning', 'Not everything could be backed up', m.attentionText],
    ['one is being placed', withTrouble('placing'), 'good', 'Everything is protected', m.protectedText(1)],
    ['before there is a group', { network: null, paths: [] }, 'bad', 'Nothing is protected yet', m.nothingText],
  ]
  for (const [name, change, tone, heading, text, connection = 'connected'] of cases) {
    const given = { ...good, ...change }
    assert.deepEqual(verdictOf({ messages: en, formats: formatsFor('en') }, given, { nowMs, connection }), { tone, heading, text }, name)
    assert.equal(verdictOf({ messages: de, formats: formatsFor('de') }, given, { nowMs, connection }).tone, tone, name)
  }
})
