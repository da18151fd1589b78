import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forgetLines } from '../../agent/cli/render-forget.ts'
import { type KeepReason, keepReasons } from '../../shared/keep-reasons.ts'

const snapshot = (day: number, reasons: KeepReason[] = [], wholeOf: string[] = []) => ({ id: String(day).repeat(64), time: new Date(2026, 2, day, 12).toISOString(), reasons, wholeOf })
const nothing = { mayFreeze: false, dryRun: false, forgotten: [], kept: [], objects: 0, bytes: 0 }

test('of what stays each is told with the rules that keep it, or why it stays whatever the rule, newest first', () => {
  const kept = [
    snapshot(1, ['unjudged']), snapshot(2, ['whole', 'proved'], ['/home/ann/a\u001b[31m', '/b', '/c', '/d', '/e']), snapshot(9, ['last', 'daily', 'whole'], ['/mail']), snapshot(5, ['proved']),
  ]
  assert.deepEqual(forgetLines({ ...nothing, forgotten: [snapshot(4), snapshot(7)], kept, objects: 3, bytes: 28_700 }), [
    'Forgot 2 snapshots, kept 4',
    [
      '  stays  999999999999  2026-03-09 12:00:00  by --keep-last, --keep-daily',
      '  stays  555555555555  2026-03-05 12:00:00  whatever the rule: the newest that a check found right',
      '  stays  222222222222  2026-03-02 12:00:00  whatever the rule: the newest that holds all of /home/ann/a\\x1b[31m, /b, /c, 2 more; the newest that a check found right',
      '  stays  111111111111  2026-03-01 12:00:00  whatever the rule: it has not all of the tags asked for',
      '  goes   777777777777  2026-03-07 12:00:00',
      '  goes   444444444444  2026-03-04 12:00:00',
    ].join('\n'),
    '  3 objects, 28.7 KB: holders keep them for 30 days more',
  ])
})

test('every reason has words, and where nothing goes nothing is said of space', () => {
  for (const reason of keepReasons) {
    const [, line = ''] = forgetLines({ ...nothing, dryRun: true, kept: [snapshot(1, [reason], ['/mail'])] })
    assert.match(line, /12:00:00 {2}(by --keep-[a-z]+|whatever the rule: [a-z].*[a-z])$/u, reason)
  }
  assert.deepEqual(forgetLines({ ...nothing, dryRun: true }), ['Would forget 0 snapshots, kept 0'])
  assert.equal(forgetLines({ ...nothing, kept: [snapshot(1, ['last'])] }).length, 2)
})
