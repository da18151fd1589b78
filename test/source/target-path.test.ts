import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertSafeName } from '../../agent/source/target-path.ts'
import { hasCode } from '../../shared/errors.ts'

const refusedOnWindows = [
  'a\\b', 'C:', 'a:stream', 'CON', 'con.txt', 'Aux', 'nul', 'nul .txt', 'PRN', 'com1', 'COM0.log', 'lpt9', 'com¹', 'CONIN$', 'a.',
  'a ', 'what?', 'a*', '<a', 'a|b', 'a"', 'tab\t',
]
for (const name of refusedOnWindows) {
  test(`the name ${JSON.stringify(name)} is refused on Windows and allowed elsewhere`, () => {
    assert.throws(() => assertSafeName(name, 'win32'), (error) => hasCode(error, 'path-unsafe'))
    assertSafeName(name, 'linux')
  })
}

test('ordinary names are allowed everywhere', () => {
  for (const name of ['mail.pst', '.hidden', '...a', 'console', 'com10', 'auxiliary.txt', 'a b', 'Übersicht', '😀', 'x.holdfast-partial']) {
    assertSafeName(name, 'win32')
    assertSafeName(name, 'linux')
  }
})
