import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const top = fileURLToPath(new URL('..', import.meta.url))
const documents = ['README.md', 'CHANGELOG.md', ...readdirSync(join(top, 'docs'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md')).map((name) => join('docs', name))]

test('every file that a document names is there', () => {
  for (const document of documents) {
    const text = readFileSync(join(top, document), 'utf8')
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, path = '']) => join(dirname(document), path))
    const named = [...text.matchAll(/(?<![\w/.…-])(?:agent|shared|addin|test|scripts|bench|docs)\/[\w./-]*\w\.(?:tsx?|mjs|md|py|json|xml)\b/g)].map(([path]) => path)
    for (const path of [...links, ...named]) assert.ok(existsSync(join(top, path)), `${document} names ${path}`)
  }
})

/** `test/….ts "words of a title", "and of another one"`: as documents name tests. */
const namedTests = /(test\/[\w./-]+\.ts)((?:,? "[^"]+")*)/g

test('every promise of the threat model names the tests that hold it, and every test that a document names is there', () => {
  const [promises = '', badInput = '', forYears = '', mayBeDown = ''] = readFileSync(join(top, 'docs/threat-model.md'), 'utf8').split('\n## ')
  const rowsOf = (text: string) => text.split('\n').filter((line) => line.startsWith('| ')).slice(1)
  for (const row of rowsOf(badInput)) assert.match(row.split('|')[2] ?? '', /test\/[\w/-]+\.test\.ts "/, row)
  for (const row of [...rowsOf(forYears), ...rowsOf(mayBeDown)]) {
    assert.match(row.split('|')[2] ?? '', /test\/[\w./-]+\.ts "/, row)
    for (const [, file, quoted] of row.matchAll(namedTests)) assert.notEqual(quoted, '', `which test of ${file}`)
  }
  assert.ok(rowsOf(forYears).length > 10)
  assert.ok(rowsOf(mayBeDown).length > 10)
  const rows = rowsOf(promises)
  assert.ok(rows.length > 10)
  for (const row of rows) {
    const [adversary = '', , cannot = '', heldBy = ''] = row.split('|').slice(1, -1).map((cell) => cell.trim())
    if (cannot !== '—') assert.match(heldBy, /test\/[\w/-]+\.test\.ts "/, adversary)
    for (const [name] of heldBy.matchAll(/\S+\.test\.ts/g)) assert.match(name, /^test\//, `${adversary}: a path, so that the test above finds it missing`)
    for (const [, file, quoted] of row.matchAll(namedTests)) assert.notEqual(quoted, '', `${adversary}: which test of ${file}`)
  }
  for (const document of documents) {
    for (const [, file = '', quoted = ''] of readFileSync(join(top, document), 'utf8').matchAll(namedTests)) {
      for (const [, words = ''] of quoted.matchAll(/"([^"]+)"/g)) assert.ok(titlesIn(file).some((title) => title.includes(words)), `${document}: ${file} has no test "${words}"`)
    }
  }
})

function titlesIn(file: string): string[] {
  const titles = readFileSync(join(top, file), 'utf8').matchAll(/\b(?:test|check)\(\s*(['"`])((?:\\.|(?!\1).)*)\1/g)
  return [...titles].map(([, , title = '']) => title.replaceAll(/\\(.)/g, '$1'))
}
