import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { hasCode } from '../../shared/errors.ts'
import { decodeSnapshot, encodeSnapshot, type SnapshotDocument } from '../../agent/repository/snapshot.ts'
import { type Entry, decodeFolder, encodeFolder } from '../../agent/repository/tree.ts'

const content = { chunker: 'cdc-64k' as const, size: 0, count: 0, inline: '' }
const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).filter((text) => !/[/\0]|^\.\.?$/u.test(text) && text.isWellFormed())
const common = { mode: fc.nat({ max: 0o7777 }), mtime: fc.bigInt({ min: -(10n ** 18n), max: 10n ** 19n }).map(String) }
const plain = { noNullPrototype: true } as const
const entry: fc.Arbitrary<Entry> = fc.oneof(
  fc.record({ name, type: fc.constant('file' as const), ...common, size: fc.constant(0), content: fc.constant(content) }, plain),
  fc.record({ name, type: fc.constant('directory' as const), ...common, content: fc.constant(content) }, plain),
  fc.record({ name, type: fc.constant('symlink' as const), ...common, target: fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed()) }, plain),
)

test('a folder comes back with its entries in order of their names', () => {
  fc.assert(fc.property(fc.uniqueArray(entry, { selector: (one) => one.name, maxLength: 30 }), (entries) => {
    const sorted = entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))
    assert.deepEqual(decodeFolder(encodeFolder(entries)), sorted)
    assert.deepEqual(encodeFolder(entries), encodeFolder(sorted))
  }), { verbose: 1 })
})

test('names that lead elsewhere are refused, written or read', () => {
  for (const bad of ['', '.', '..', 'a/b', '/', 'a\0']) {
    const one: Entry = { name: bad, type: 'symlink', mode: 0, mtime: '0', target: 'x' }
    assert.throws(() => encodeFolder([one]), (error) => hasCode(error, 'path-unsafe'))
    assert.throws(() => decodeFolder(Buffer.from(JSON.stringify({ v: 1, entries: [one] }))), (error) => hasCode(error, 'path-unsafe'))
  }
})

test('two entries of one name are refused', () => {
  const one: Entry = { name: 'a', type: 'symlink', mode: 0, mtime: '0', target: 'x' }
  assert.throws(() => encodeFolder([one, one]), RangeError)
  assert.throws(() => decodeFolder(Buffer.from(JSON.stringify({ v: 1, entries: [one, one] }))), (error) => hasCode(error, 'object-damaged'))
})

test('a reader ignores members that it does not know, and refuses a version that it does not know', () => {
  const text = (v: number) => Buffer.from(JSON.stringify({ v, later: 1, entries: [{ name: 'a', type: 'symlink', mode: 0, mtime: '0', target: 'x', later: 2 }] }))
  assert.equal(decodeFolder(text(1)).length, 1)
  assert.throws(() => decodeFolder(Buffer.from(JSON.stringify({ v: 2, files: [] }))), (error) => hasCode(error, 'format-unknown'))
})

test('any damage of a folder is object-damaged, format-unknown or path-unsafe, or still a folder', () => {
  const text = encodeFolder([{ name: 'a', type: 'file', mode: 0o644, mtime: '5', size: 0, content }, { name: 'b', type: 'symlink', mode: 0, mtime: '0', target: 'x' }])
  fc.assert(fc.property(fc.nat({ max: text.length - 1 }), fc.nat({ max: 255 }), (at, value) => {
    const damaged = Buffer.from(text)
    damaged[at] = value
    try {
      decodeFolder(damaged)
    } catch (error) {
      assert.ok(hasCode(error, 'object-damaged', 'format-unknown', 'path-unsafe'), String(error))
    }
  }), { verbose: 1, numRuns: 500 })
})

test('a snapshot comes back, and one whose root has a bad name is refused', () => {
  const document: SnapshotDocument = {
    v: 1, owner: 'a'.repeat(43) as SnapshotDocument['owner'], machine: 'b'.repeat(43) as SnapshotDocument['machine'], host: 'h', time: '2026-01-01T00:00:00.000Z',
    roots: [{ path: '/data', entry: { name: 'data', type: 'directory', mode: 0o755, mtime: '0', content } }], excludes: ['*.tmp'],
    skipped: [{ path: '/data/x', reason: 'unreadable' }], stats: { files: 1, directories: 1, bytes: 1, bytesNew: 1 }, tags: ['a'],
  }
  assert.deepEqual(decodeSnapshot(encodeSnapshot(document)), document)
  const bad = structuredClone(document)
  Object.assign(bad.roots[0]?.entry ?? {}, { name: '..' })
  assert.throws(() => encodeSnapshot(bad), (error) => hasCode(error, 'path-unsafe'))
  assert.throws(() => decodeSnapshot(Buffer.from(JSON.stringify(bad))), (error) => hasCode(error, 'path-unsafe'))
})
