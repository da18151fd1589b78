import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { closeSync, ftruncateSync, openSync, readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { array, assert as assertLaw, asyncProperty, constantFrom, integer, oneof, property } from 'fast-check'
import { AppendingWriter, WriteAreas } from '../agent/network/shard-store/appending-writer.ts'
import { UncachedWriter } from '../agent/uncached-file.ts'
import { scratchFolder } from './support/scratch-folder.ts'

const places = oneof(constantFrom(0, 1, 4095, 4096, 1_048_576), integer({ min: 0, max: 600_000 }))
const lengths = oneof(constantFrom(0, 1, 4096, 131_072, 1_048_576, 1_048_577), integer({ min: 0, max: 2_500_000 }))

test('UncachedWriter writes any range anywhere, and nothing beside it', async (t) => {
  const folder = await scratchFolder(t)
  const writer = new UncachedWriter()
  const size = 3_600_000 // beyond the last place and the greatest length
  const fd = openSync(join(folder, 'file'), 'w+')
  t.after(() => closeSync(fd))
  assertLaw(property(places, lengths, (position, length) => {
    ftruncateSync(fd, 0)
    ftruncateSync(fd, size)
    const expected = Buffer.alloc(size)
    const bytes = randomBytes(length)
    bytes.copy(expected, position)
    writer.write(fd, bytes, position)
    return readFileSync(join(folder, 'file')).equals(expected)
  }), { numRuns: 40 })
})

test('AppendingWriter appends pieces of any size, from any place on', async (t) => {
  const folder = await scratchFolder(t)
  const areas = new WriteAreas()
  const path = join(folder, 'file')
  await assertLaw(asyncProperty(places, array(lengths, { maxLength: 5 }), async (begin, pieces) => {
    await using file = await open(path, 'w+')
    const before = randomBytes(begin)
    await file.write(before)
    const bytes = pieces.map((length) => randomBytes(length))
    const writer = new AppendingWriter(file, begin, areas)
    for (const piece of bytes) await writer.append(piece)
    await writer.flush()
    await writer.end()
    await writer.end()
    return readFileSync(path).equals(Buffer.concat([before, ...bytes]))
  }), { numRuns: 30 })
})

test('writers that work side by side keep their bytes apart, also when they were ended twice', async (t) => {
  const folder = await scratchFolder(t)
  const areas = new WriteAreas()
  const ended = new AppendingWriter(await openIn(t, folder, 'ended'), 0, areas)
  await ended.end()
  await ended.end()
  const writers = await Promise.all(['a', 'b'].map(async (name) => ({ name, bytes: randomBytes(1_500_000), writer: new AppendingWriter(await openIn(t, folder, name), 0, areas) })))
  for (const { writer, bytes } of writers) await writer.append(bytes)
  for (const { name, writer, bytes } of writers) {
    await writer.flush()
    await writer.end()
    assert.ok(readFileSync(join(folder, name)).equals(bytes), name)
  }
})

async function openIn(t: { after(then: () => Promise<void>): void }, folder: string, name: string) {
  const file = await open(join(folder, name), 'w+')
  t.after(async () => { await file.close() })
  return file
}
