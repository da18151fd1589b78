import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants, getPriority } from 'node:os'
import { test } from 'node:test'
import { lowerEach } from '../../agent/cli/priority.ts'

test('lowerEach() goes on past a thread that has ended', async (t) => {
  const [ended, running] = [true, false].map((isOver) => spawn(process.execPath, ['--eval', isOver ? '' : 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'inherit'] }))
  assert.ok(ended?.pid !== undefined && running?.pid !== undefined)
  t.after(() => running.kill())
  await once(ended, 'exit')
  assert.notEqual(getPriority(running.pid), constants.priority.PRIORITY_BELOW_NORMAL)
  lowerEach([ended.pid, running.pid])
  assert.equal(getPriority(running.pid), constants.priority.PRIORITY_BELOW_NORMAL)
})
