import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import * as fc from 'fast-check'
import { createArchive, growArchive, growFile } from '../../../agent/demo/outlook-archive/archive.ts'
import { hasCode } from '../../../shared/errors.ts'
import { inspect, Reader } from './inspect.ts'
import type { Block, Inspection } from './inspect.ts'
import { apply, MemoryFile } from './memory-file.ts'
import type { FileEvent } from './memory-file.ts'

const isMessage = (nid: number): boolean => (nid & 0x1f) === 4
const messagesOf = ({ nodes }: Inspection): number[] => [...nodes.keys()].filter(isMessage)

describe('growArchive()', () => {
  let folder = ''
  let original = Buffer.alloc(0)
  const at = (name: string): string => join(folder, name)
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-archive-'))
    await createArchive(at('original'), { bytes: 2_500_000, seed: 11 })
    original = await readFile(at('original'))
  })
  after(async () => { await rm(folder, { recursive: true }) })

  test('adds and deletes mails and leaves a whole archive, again and again', async () => {
    const path = at('repeated')
    await writeFile(path, original)
    let expected = messagesOf(inspect(original)).length
    for (let day = 0; day < 6; day++) {
      const grown = await growArchive(path, { addMessages: 8, deleteMessages: 6, seed: day })
      expected += grown.messagesAdded - grown.messagesDeleted
      const file = await readFile(path)
      const found = inspect(file)
      assert.deepEqual(found.errors.slice(0, 5), [])
      assert.equal(found.leakedSlots, 0)
      assert.equal(grown.size, file.length)
      assert.equal(messagesOf(found).length, expected)
      assertTables(file, found)
    }
  })

  test('copies on write: old blocks keep id, place and bytes, new ones have new ids', async () => {
    const file = new MemoryFile(original)
    await growFile(file, { addMessages: 8, deleteMessages: 5, seed: 21 })
    const old = inspect(original)
    const now = inspect(file.bytes)
    const bytesOf = (content: Buffer, block: Block): Buffer => content.subarray(block.offset, block.offset + block.length)
    let kept = 0
    let added = 0
    for (const block of now.blocks.values()) {
      const before = old.blocks.get(block.bid)
      if (before === undefined) {
        assert.ok((block.bid & ~2) >= old.nextBlock)
        added++
        continue
      }
      assert.equal(block.offset, before.offset)
      assert.ok(bytesOf(file.bytes, block).equals(bytesOf(original, before)))
      kept++
    }
    for (const page of now.pages.values()) {
      if (old.pages.get(page.offset)?.bid !== page.bid) assert.ok(page.bid >= old.nextPage)
    }
    assert.ok(added > 15 && kept > old.blocks.size / 3)
  })

  test('touches nothing that the old trees use until the header points to the new ones', async () => {
    const file = new MemoryFile(original)
    await growFile(file, { addMessages: 8, deleteMessages: 5, seed: 22 })
    const old = inspect(original)
    const inUse = [
      ...[...old.blocks.values()].map(({ offset, length }) => ({ offset, end: offset + length + 16 })),
      ...[...old.pages.values()].map(({ offset }) => ({ offset, end: offset + 512 })),
    ]
    const writes = file.events.filter((event) => event.kind === 'write' && event.offset >= 0x4400)
    const beforeHeader = file.events.slice(1, file.events.findLastIndex(isHeaderWrite))
    assert.ok(writes.length > 1)
    for (const event of beforeHeader) {
      if (event.kind !== 'write' || isMapPage(event.offset)) continue
      assert.ok(!inUse.some(({ offset, end }) => event.offset < end && offset < event.offset + event.bytes.length))
    }
  })

  test('reports exactly the bytes that it gave to the file, and these are the ones that changed', async () => {
    const file = new MemoryFile(original)
    const grown = await growFile(file, { addMessages: 30, deleteMessages: 5, seed: 23 })
    const given = file.events.reduce((sum, event) => sum + (event.kind === 'write' ? event.bytes.length : 0), 0)
    assert.equal(grown.bytesWritten, given)
    let changed = 0
    const before = Buffer.concat([original], file.bytes.length)
    for (let slot = 0; slot < file.bytes.length; slot += 64) {
      if (!file.bytes.subarray(slot, slot + 64).equals(before.subarray(slot, slot + 64))) changed += 64
    }
    assert.ok(changed <= grown.bytesWritten + 20 * 64, `${changed} changed, ${grown.bytesWritten} written`)
    assert.ok(grown.bytesWritten < changed * 1.05 + 65_536, `${changed} changed, ${grown.bytesWritten} written`)
  })

  test('grows by about as many bytes as asked', async () => {
    const file = new MemoryFile(original)
    const grown = await growFile(file, { bytes: 3_000_000, seed: 24 })
    assert.ok(grown.bytesWritten > 2_700_000 && grown.bytesWritten < 3_600_000, `${grown.bytesWritten}`)
    assert.deepEqual(inspect(file.bytes).errors.slice(0, 5), [])
  })

  test('deletes at most what there is', async () => {
    const file = new MemoryFile(original)
    const all = messagesOf(inspect(original)).length
    const grown = await growFile(file, { addMessages: 0, deleteMessages: all + 100, seed: 25 })
    assert.equal(grown.messagesDeleted, all)
    assert.deepEqual(inspect(file.bytes).errors.slice(0, 5), [])
    const again = await growFile(file, { bytes: 500_000, seed: 26 })
    assert.equal(again.size, original.length)
    assert.equal(messagesOf(inspect(file.bytes)).length, again.messagesAdded)
  })

  test('shows the old or the new archive, and either whole, wherever it is interrupted', async () => {
    const file = new MemoryFile(original)
    await growFile(file, { addMessages: 3, deleteMessages: 2, seed: 27 })
    const versions = { old: messagesOf(inspect(original)).join(), new: messagesOf(inspect(file.bytes)).join() }
    assert.notEqual(versions.old, versions.new)
    const seen: string[] = []
    for (let count = 0; count <= file.events.length; count++) {
      const found = inspect(file.events.slice(0, count).reduce(apply, Buffer.from(original)))
      assert.deepEqual(found.errors.slice(0, 5), [], `after ${count} of ${file.events.length} steps`)
      const messages = messagesOf(found).join()
      seen.push(messages === versions.old ? 'old' : messages === versions.new ? 'new' : 'neither')
      assert.equal(found.mapsValid, count === 0 || count >= file.events.findLastIndex(isHeaderWrite) + 1)
    }
    assert.deepEqual([...new Set(seen)], ['old', 'new'])
    assert.deepEqual(seen, [...seen].sort().reverse())
  })

  test('stays whole when the disk reorders or drops what was not synced', async () => {
    const file = new MemoryFile(original)
    await growFile(file, { addMessages: 8, deleteMessages: 5, seed: 28 })
    const versions = [original, file.bytes].map((bytes) => messagesOf(inspect(bytes)).join())
    const groups = splitAtSyncs(file.events)
    const crash = fc.integer({ min: 0, max: groups.length - 1 }).chain((group) =>
      fc.tuple(fc.constant(group), fc.shuffledSubarray(groups[group]!)))
    fc.assert(fc.property(crash, ([group, survived]) => {
      const events = [...groups.slice(0, group).flat(), ...survived]
      const found = inspect(events.reduce(apply, Buffer.from(original)))
      assert.deepEqual(found.errors.slice(0, 5), [])
      assert.ok(versions.includes(messagesOf(found).join()))
    }), { numRuns: 25 })
  })

  test('refuses what is not an archive, what was not closed, and unclear orders', async () => {
    const grow = (bytes: Buffer, options: object = { addMessages: 1 }): Promise<unknown> =>
      growFile(new MemoryFile(bytes), { seed: 1, ...options })
    await assert.rejects(grow(Buffer.alloc(600)), (error) => hasCode(error, 'format-unknown'))
    await assert.rejects(grow(original, {}), (error) => hasCode(error, 'invalid-input'))
    await assert.rejects(grow(original, { addMessages: 1, bytes: 1 }), (error) => hasCode(error, 'invalid-input'))
    const damaged = Buffer.from(original)
    damaged[300]! ^= 1
    await assert.rejects(grow(damaged), (error) => hasCode(error, 'file-unreadable'))
    const unclosed = new MemoryFile(original)
    await growFile(unclosed, { addMessages: 1, seed: 1 })
    const started = apply(Buffer.from(original), unclosed.events[0]!)
    await assert.rejects(grow(started), (error) => hasCode(error, 'file-unreadable'))
    await assert.rejects(growArchive(at('nothing'), { addMessages: 1, seed: 1 }), (error) => hasCode(error, 'not-found'))
  })
})

function isHeaderWrite(event: FileEvent): boolean {
  return event.kind === 'write' && event.offset === 0
}

function isMapPage(offset: number): boolean {
  return (offset - 0x4400) % 253_952 < 1024
}

function splitAtSyncs(events: readonly FileEvent[]): FileEvent[][] {
  const groups: FileEvent[][] = [[]]
  for (const event of events) {
    if (event.kind === 'sync') groups.push([])
    else groups.at(-1)!.push(event)
  }
  return groups.filter((group) => group.length > 0)
}

function assertTables(file: Buffer, { nodes, blocks }: Inspection): void {
  const errors: string[] = []
  const reader = new Reader(file, blocks, undefined, errors)
  for (const node of nodes.values()) {
    if ((node.nid & 0x1f) !== 2) continue
    const mails = [...nodes.values()].filter(({ nid, parent }) => isMessage(nid) && parent === node.nid)
    assert.deepEqual(reader.rowIds(nodes.get((node.nid & ~0x1f) | 0x0e)!), mails.map(({ nid }) => nid))
    assert.equal(reader.properties(node.data).get(0x3602)?.inline, mails.length)
  }
  assert.deepEqual(errors, [])
}
