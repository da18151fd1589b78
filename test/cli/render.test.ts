import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inviteNote, renderers } from '../../agent/cli/render.ts'

const freshness = { answered: 1, asked: 2, newest: 'found' as const, notices: [] }

test('after a recovery it is said that nothing is protected yet, and what was', () => {
  const recovered = { owner: 'o', machine: 'm', epoch: 2, snapshots: 1, kept: 0, objects: 8, holders: 1, freshness, paths: ['/home/ann/Documents', '/home/ann/mail.pst'], member: true }
  const text = renderers['recover'](recovered)
  assert.match(text, /^Recovered: 1 snapshot, 8 objects on 1 machine \(newest found: 1 of 2 machines answered\)\.\n/u)
  assert.match(text, /Nothing is backed up from here yet: `holdfast protect PATH…` .*\n\(the lost machine backed up \/home\/ann\/Documents, \/home\/ann\/mail\.pst\)/u)
  assert.doesNotMatch(renderers['recover']({ ...recovered, paths: [] }), /the lost machine backed up/u)
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
