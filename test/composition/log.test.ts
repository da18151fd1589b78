import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { HoldfastError } from '../../shared/errors.ts'
import { fileLog } from '../../agent/composition/log.ts'

test('the log says what caused an error, however deep', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-log-'))
  t.after(() => { rmSync(directory, { recursive: true }) })
  const path = join(directory, 'agent.log')
  const reason = new HoldfastError('file-unreadable', 'Cannot read a: gone', { cause: new TypeError('the reason') })
  fileLog(path, () => 0)('defect', { error: new HoldfastError('internal', 'Cannot go on', { cause: reason }) })
  const { error } = JSON.parse(readFileSync(path, 'utf8')) as { error: { message: string, cause: { code: string, cause: { message: string, stack: string[] } } } }
  assert.equal(error.message, 'Cannot go on')
  assert.equal(error.cause.code, 'file-unreadable')
  assert.equal(error.cause.cause.message, 'the reason')
  assert.match(error.cause.cause.stack[0] ?? '', /TypeError/)
})
