import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inviteNote, renderers } from '../../agent/cli/render.ts'
import { noticeText } from '../../shared/notice-texts.ts'

const freshness = { answered: 1, asked: 2, newest: 'found' as const, notices: [] }

test('after a recovery it is said that nothing is protected yet, and what was', () => {
  const recovered = { owner: 'o', machine: 'm', epoch: 2, snapshots: 1, kept: 0, objects: 8, holders: 1, freshness, paths: ['/home/ann/Documents', '/home/ann/mail.pst'], member: true }
  const text = renderers['recover'](recovered)
  assert.match(text, /^Recovered: 1 snapshot, 8 objects on 1 machine \(newest found: 1 of 2 machines answered\)\.\n/u)
  assert.match(text, /Nothing is backed up from here yet: `holdfast protect PATH…` .*\n\(the lost machine backed up \/home\/ann\/Documents, \/home\/ann\/mail\.pst\)/u)
  assert.doesNotMatch(renderers['recover']({ ...recovered, paths: [] }), /the lost machine backed up/u)
  assert.match(renderers['recover']({ ...recovered, freshness: { ...freshness, answered: 0, asked: 0 } }), /\(newest found; no machine was asked\)/u)
})

test('an invitation stands alone on stdout; for whom and how long it is good stands beside it', () => {
  const invited = { invitation: 'holdfast-invite:x', id: 'i', expires: '2030-01-02T03:04:05Z', count: 1 }
  assert.equal(renderers['network invite'](invited), 'holdfast-invite:x')
  assert.match(inviteNote(invited), /lets 1 machine in until 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\. There: holdfast network join INVITATION/u)
  assert.match(inviteNote({ ...invited, count: 5 }), /lets 5 machines in/u)
})

test('a folder is listed without a size, and an empty one as empty', () => {
  const entry = (type: 'directory' | 'file', path: string) => ({ name: path, path, type, bytes: type === 'file' ? 400_000 : 0 })
  const folders = (entries: ReturnType<typeof entry>[]) => renderers['folders']({ path: '/', parent: null, more: false, entries })
  assert.equal(folders([entry('directory', '/srv'), entry('file', '/mail.pst')]), 'd            /srv\n-    400 KB  /mail.pst')
  assert.equal(folders([]), 'Nothing is in it.')
})

test('one is told as one', () => {
  const reach = { have: 1, placed: 3, need: 1 }
  const protection = { state: 'protected' as const, placed: 3, wanted: 3, survives: 2, reach }
  const checked = { ok: true, snapshots: 1, objects: 1, healthy: 0, degraded: 1, unreachable: 0, damaged: 0, lost: 0, off: [], bytesRead: 0, findings: [], protection }
  const verified = renderers.verify(checked as never)
  assert.match(verified, /: 1 snapshot, 1 object: 0 whole, 1 with missing shards\n/u)
  assert.match(verified, /1 of 3 reachable now, 1 is needed; none of them/u)
  assert.match(renderers.verify({ ...checked, protection: { ...protection, reach: { ...reach, have: 0, need: 2 } } } as never), /, 2 are needed: it cannot be restored/u)
  const repaired = { objects: 1, rebuilt: 1, failed: 0, respread: 0, bytesSent: 0, bytesByCause: { silent: 0, removed: 2000 }, problems: [], protection }
  assert.match(renderers.repair(repaired as never), /^1 object checked, 1 shard made anew, 0 failed, 0 B sent\n {2}why they lacked: on computers that are off, left, replaced or given up 2\.0 KB\n/u)
  assert.match(noticeText({ code: 'few-answer', have: 1, placed: 3, need: 1 }), /answer; 1 is needed to restore it$/u)
  assert.match(noticeText({ code: 'not-restorable-now', have: 1, placed: 3, need: 2 }), /answer, 2 are needed$/u)
})

test('where there is no backup nothing is said to be restorable', () => {
  assert.equal(renderers.verify({ ok: true, snapshots: 0, objects: 0, healthy: 0, degraded: 0, unreachable: 0, damaged: 0, lost: 0, off: [], bytesRead: 0, findings: [], protection: { state: 'unprotected', placed: 0, wanted: 3, survives: -1, reach: null } }), 'Nothing was backed up yet: there is nothing to restore')
})

test('a prune that had nothing to do says so, and one that had says what', () => {
  const pruned = { dryRun: false, packs: 7, unused: 0, rewritten: 0, droppedBytes: 0, writtenBytes: 0, indexes: 3, indexesAfter: 3, left: 0, mayFreeze: false }
  assert.equal(renderers.prune(pruned as never), 'Nothing to leave out or to rewrite in 7 packs')
  for (const done of [{ unused: 1 }, { rewritten: 1 }, { indexesAfter: 1 }, { left: 1 }]) assert.match(renderers.prune({ ...pruned, ...done } as never), /^Left out \d of 7 packs/u)
})
