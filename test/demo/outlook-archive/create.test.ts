import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import { countMessages, createArchive, growArchive } from '../../../agent/demo/outlook-archive/archive.ts'
import { hasCode } from '../../../shared/errors.ts'
import { inspect, Reader } from './inspect.ts'

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
/** What seed 1 gave when the generator was first released. A change here changes every demo and benchmark. */
const createdVector = 'c783eba785f3429fd92e7906d89124435be686c16cd39732f7aa880e00479d14'
const grownVector = 'de25e9f88861787d6633e641f1fc0529faeec6118a4e67dac91c0e2f718beaa3'
const isMessage = (nid: number): boolean => (nid & 0x1f) === 4

describe('createArchive()', () => {
  let folder = ''
  const at = (name: string): string => join(folder, name)
  before(async () => { folder = await mkdtemp(join(tmpdir(), 'holdfast-archive-')) })
  after(async () => { await rm(folder, { recursive: true }) })

  for (const bytes of [1 << 20, 5_000_000, 33_000_000]) {
    test(`writes an archive of ${bytes} bytes in which every page, block, map and reference is right`, async () => {
      const path = at(`whole-${bytes}`)
      const made = await createArchive(path, { bytes, seed: 3 })
      const file = await readFile(path)
      const found = inspect(file)
      assert.deepEqual(found.errors.slice(0, 5), [])
      assert.equal(found.leakedSlots, 0)
      assert.equal(made.size, file.length)
      assert.ok(file.length >= bytes && file.length < bytes + 253_952, `${file.length}`)
      const messages = [...found.nodes.keys()].filter(isMessage)
      assert.equal(messages.length, made.messages)
      assert.equal(await countMessages(path), made.messages)
    })
  }

  test('lists each mail in the table of its folder and counts it there', async () => {
    await createArchive(at('tables'), { bytes: 4_000_000, seed: 4 })
    const file = await readFile(at('tables'))
    const { nodes, blocks } = inspect(file)
    const errors: string[] = []
    const reader = new Reader(file, blocks, undefined, errors)
    const folders = [...nodes.values()].filter(({ nid }) => (nid & 0x1f) === 2)
    for (const node of folders) {
      const mails = [...nodes.values()].filter(({ nid, parent }) => isMessage(nid) && parent === node.nid)
      const rows = reader.rowIds(nodes.get((node.nid & ~0x1f) | 0x0e)!)
      assert.deepEqual(rows, mails.map(({ nid }) => nid))
      assert.equal(reader.properties(node.data).get(0x3602)?.inline, mails.length)
    }
    assert.ok(folders.length > 20)
    assert.deepEqual(errors, [])
  })

  test('stores attachments whole', async () => {
    await createArchive(at('attachments'), { bytes: 6_000_000, seed: 5 })
    const file = await readFile(at('attachments'))
    const { nodes, blocks } = inspect(file)
    const reader = new Reader(file, blocks)
    let attachments = 0
    for (const message of [...nodes.values()].filter(({ nid }) => isMessage(nid))) {
      for (const [nid, { data, subnodes }] of reader.subnodes(message.subnodes)) {
        if ((nid & 0x1f) !== 5) continue
        const properties = reader.properties(data)
        const content = reader.stream(reader.subnodes(subnodes).get(properties.get(0x3701)!.inline)!.data)
        assert.equal(Buffer.concat(content).length, properties.get(0x0e20)!.inline)
        attachments++
      }
    }
    assert.ok(attachments > 5)
  })

  test('writes the same bytes for the same arguments, today and always', async () => {
    await createArchive(at('vector'), { bytes: 1_500_000, seed: 1 })
    assert.equal(sha256(await readFile(at('vector'))), createdVector)
    await growArchive(at('vector'), { addMessages: 5, deleteMessages: 2, seed: 2 })
    assert.equal(sha256(await readFile(at('vector'))), grownVector)
    await createArchive(at('other'), { bytes: 1_500_000, seed: 2 })
    assert.notEqual(sha256(await readFile(at('other'))), createdVector)
  })

  test('makes content that compresses like office mail', async () => {
    await createArchive(at('ratio'), { bytes: 30_000_000, seed: 6 })
    const file = await readFile(at('ratio'))
    let packed = 0
    for (let offset = 0; offset < file.length; offset += 1 << 20) {
      packed += zstdCompressSync(file.subarray(offset, offset + (1 << 20)), { params: { 100: 1 } }).length
    }
    const ratio = packed / file.length
    assert.ok(ratio > 0.45 && ratio < 0.75, `${ratio}`)
  })

  test('refuses a size below 1 MiB and a path that is taken', async () => {
    await assert.rejects(createArchive(at('small'), { bytes: 1000, seed: 1 }), (error) => hasCode(error, 'invalid-input'))
    await writeFile(at('taken'), 'mine')
    await assert.rejects(createArchive(at('taken'), { bytes: 1 << 20, seed: 1 }), (error) => hasCode(error, 'already-exists'))
    assert.equal(await readFile(at('taken'), 'utf8'), 'mine')
  })

  test('leaves nothing behind when it is cancelled on the way', async () => {
    const stop = new AbortController()
    const seen: number[] = []
    const onProgress = (done: number): void => {
      seen.push(done)
      stop.abort()
    }
    const making = createArchive(at('cancelled'), { bytes: 20_000_000, seed: 1, signal: stop.signal, onProgress })
    await assert.rejects(making, (error) => hasCode(error, 'cancelled'))
    assert.equal(seen.length, 1)
    assert.equal(existsSync(at('cancelled')), false)
  })
})
