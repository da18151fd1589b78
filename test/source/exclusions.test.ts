import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileExclusions } from '../../agent/source/exclusions.ts'
import { hasCode } from '../../shared/errors.ts'

function excludes(pattern: string, path: string, platform: NodeJS.Platform = 'linux'): boolean {
  const isDirectory = path.endsWith('/')
  const parts = path.replace(/\/$/u, '').split('/')
  return compileExclusions([pattern], { platform })(parts, isDirectory) !== undefined
}

// Each line was compared with what `git check-ignore` says; it differs only in that `?` is a byte to git.
const table: readonly (readonly [pattern: string, matches: string[], not: string[]])[] = [
  ['*.tmp', ['a.tmp', 'x/y/a.tmp', '.tmp', '.hidden.tmp', 'd.tmp/'], ['a.tmpx', 'a.TMP']],
  ['node_modules', ['node_modules/', 'a/node_modules/', 'node_modules'], ['node_modules2/']],
  ['cache/', ['cache/', 'a/b/cache/'], ['cache', 'a/cache']],
  ['/build', ['build', 'build/'], ['a/build']],
  ['docs/*.bak', ['docs/a.bak'], ['a.bak', 'x/docs/a.bak', 'docs/x/a.bak']],
  ['docs/**/a.bak', ['docs/a.bak', 'docs/x/a.bak', 'docs/x/y/a.bak'], ['docsa.bak', 'x/docs/a.bak']],
  ['**/temp', ['temp', 'a/temp', 'a/b/temp'], ['atemp']],
  ['**/temp/x', ['temp/x', 'a/temp/x'], ['a/temp/y/x']],
  ['logs/**', ['logs/a', 'logs/a/b'], ['logs/', 'logs']],
  ['***/temp', ['temp', 'a/b/temp'], ['atemp']],
  ['a**b', ['ab', 'axxb', 'd/axb'], ['a/b']],
  ['file?.txt', ['file1.txt', 'fileä.txt', 'file😀.txt'], ['file.txt', 'file12.txt']],
  ['[a-c]x', ['ax', 'cx'], ['dx', '-x']],
  ['[!a-c]x', ['dx'], ['ax', 'x']],
  ['[^a]x', ['bx'], ['ax']],
  ['[]a]x', [']x', 'ax'], ['bx']],
  ['[a-]x', ['-x', 'ax'], ['bx']],
  ['[\\]]x', [']x'], ['\\x']],
  ['\\*.txt', ['*.txt'], ['a.txt']],
  ['\\!important', ['!important'], ['important']],
  ['a.b+(c)', ['a.b+(c)'], ['axb+(c)', 'a.bb(c)']],
  ['a{b,c}', ['a{b,c}'], ['ab']],
]
for (const [pattern, matches, not] of table) {
  test(`the pattern ${pattern} leaves out what it does in a .gitignore, and nothing else`, () => {
    for (const path of matches) assert.equal(excludes(pattern, path), true, path)
    for (const path of not) assert.equal(excludes(pattern, path), false, path)
  })
}

test('on Windows letter case does not count and a backslash is a slash', () => {
  assert.equal(excludes('*.TMP', 'a.tmp', 'win32'), true)
  assert.equal(excludes('docs\\*.bak', 'Docs/a.bak', 'win32'), true)
  assert.equal(excludes('cache\\', 'a/cache/', 'win32'), true)
})

test('the pattern that leaves an entry out is named', () => {
  assert.equal(compileExclusions(['*.a', '*.b', '*'], { platform: 'linux' })(['x.b'], false), '*.b')
})

for (const pattern of ['', '/', '!keep', '[abc', 'a\\', '[z-a]']) {
  test(`the pattern "${pattern}" is refused`, () => {
    assert.throws(() => compileExclusions([pattern], { platform: 'linux' }), (error) => hasCode(error, 'invalid-input'))
  })
}
