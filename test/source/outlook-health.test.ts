import assert from 'node:assert/strict'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import * as fc from 'fast-check'
import { checkOutlookArchive } from '../../agent/source/outlook-health.ts'
import type { ArchiveHealth, HealthOptions } from '../../agent/source/outlook-health.ts'
import { buildOutlookFile, headerFields, pageFields, pageId, sealHeader, sealPage, writeWord } from '../support/outlook-file.ts'
import type { BuiltArchive } from '../support/outlook-file.ts'

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-health-'))
})
after(() => rm(folder, { recursive: true, force: true }))

async function healthOf(bytes: Uint8Array, options: HealthOptions = { level: 1 }): Promise<ArchiveHealth> {
  const path = join(folder, 'archive.pst')
  await writeFile(path, bytes)
  await using file = await open(path)
  return await checkOutlookArchive(file.fd, { size: bytes.byteLength, path }, options)
}

function kinds(health: ArchiveHealth): string[] {
  return [...new Set(health.problems.map(({ kind }) => kind))]
}

for (const format of ['ansi', 'unicode', 'unicode-4k'] as const) {
  test(`a whole ${format} archive is sound, and all its blocks and nodes are counted`, async () => {
    const health = await healthOf(buildOutlookFile({ format, blocks: 10, nodes: 6 }).bytes)
    assert.deepEqual(health, { level: 1, state: 'sound', problems: [], problemCount: 0, pages: 7, blocks: 10, nodes: 6 })
  })
}

test('level 0 looks at the header and at no page', async () => {
  const archive = buildOutlookFile()
  archive.bytes.fill(0, archive.blockPages[1], (archive.blockPages[1] ?? 0) + 512)
  const health = await healthOf(archive.bytes, { level: 0 })
  assert.deepEqual([health.state, health.pages], ['sound', 0])
})

test('what is no archive, and an empty file, is reported as such', async () => {
  assert.deepEqual(kinds(await healthOf(Buffer.alloc(600, 7))), ['not-an-archive'])
  assert.deepEqual(kinds(await healthOf(Buffer.alloc(0))), ['not-an-archive'])
})

test('an archive that was not closed, or is longer than its header says, is unclean and not damaged', async () => {
  const open = buildOutlookFile()
  open.bytes.writeUInt8(0, headerFields(open).mapState)
  sealHeader(open)
  const health = await healthOf(open.bytes)
  assert.deepEqual([health.state, kinds(health)], ['unclean', ['not-closed-cleanly']])
  const longer = await healthOf(Buffer.concat([buildOutlookFile().bytes, Buffer.alloc(512)]))
  assert.deepEqual([longer.state, kinds(longer)], ['unclean', ['longer-than-recorded']])
})

test('a truncated archive is damaged, and so is one with a wrong header checksum', async () => {
  const { bytes } = buildOutlookFile()
  const truncated = await healthOf(bytes.subarray(0, bytes.length - 64))
  assert.deepEqual([truncated.state, kinds(truncated)], ['damaged', ['truncated', 'block-outside']])
  bytes[300] = 1
  assert.deepEqual(kinds(await healthOf(bytes)), ['header-checksum'])
})

const damages: Record<string, (archive: BuiltArchive, page: number) => void> = {
  'page-checksum': ({ bytes }, page) => bytes.writeUInt8(bytes.readUInt8(page + 30) ^ 1, page + 30),
  'page-type': (archive, page) => {
    archive.bytes.fill(0x84, page + 496, page + 498)
  },
  'page-id': (archive, page) => writeWord(archive, page + 504, 5),
  'page-level': (archive, page) => {
    archive.bytes.writeUInt8(2, page + pageFields(archive).level)
    sealPage(archive, page)
  },
  'page-entries': (archive, page) => {
    archive.bytes.writeUInt8(255, page + pageFields(archive).count)
    sealPage(archive, page)
  },
  'keys-not-ascending': (archive, page) => {
    writeWord(archive, page, 4)
    sealPage(archive, page)
  },
  'block-outside': (archive, page) => {
    writeWord(archive, page + 8, archive.bytes.length - 64)
    sealPage(archive, page)
  },
  'block-id': (archive, page) => {
    writeWord(archive, page + 24, 4000)
    sealPage(archive, page)
  },
}
for (const [kind, damage] of Object.entries(damages)) {
  test(`level 1 finds ${kind} in a page of the block tree`, async () => {
    const archive = buildOutlookFile()
    damage(archive, archive.blockPages[2] ?? 0)
    const health = await healthOf(archive.bytes)
    assert.equal(health.state, 'damaged')
    assert.ok(kinds(health).includes(kind), kinds(health).join())
    assert.equal(health.problems[0]?.offset, archive.blockPages[2])
  })
}

test('a page of the node tree is checked like one of the block tree', async () => {
  const archive = buildOutlookFile()
  archive.bytes.fill(0, archive.nodePages[1], (archive.nodePages[1] ?? 0) + 512)
  const health = await healthOf(archive.bytes)
  assert.deepEqual([health.state, health.nodes], ['damaged', 2])
})

test('a tree that leads back to its own root or outside the file ends the walk there', async () => {
  for (const [target, kind] of [['root', 'page-twice'], ['far', 'page-outside'], ['odd', 'page-outside']] as const) {
    const archive = buildOutlookFile()
    const [root = 0] = archive.blockPages
    const offset = { root, far: 2 ** 52, odd: root + 1 }[target]
    writeWord(archive, root + 8, pageId(root))
    writeWord(archive, root + 16, offset)
    sealPage(archive, root)
    const health = await healthOf(archive.bytes)
    assert.ok(kinds(health).includes(kind), `${target}: ${kinds(health).join()}`)
  }
})

test('a tree that names one page again and again is walked once', async () => {
  const archive = buildOutlookFile({ blocks: 64 })
  const [root = 0, leaf = 0] = archive.blockPages
  for (let i = 1; i < 16; i++) {
    writeWord(archive, root + i * 24 + 8, pageId(leaf))
    writeWord(archive, root + i * 24 + 16, leaf)
  }
  sealPage(archive, root)
  const health = await healthOf(archive.bytes)
  assert.equal(health.blocks, 4)
  assert.equal(health.problems.filter(({ kind }) => kind === 'page-twice').length, 15)
})

test('the number of pages read and of problems listed is bounded', async () => {
  const archive = buildOutlookFile({ blocks: 64 })
  assert.deepEqual(kinds(await healthOf(archive.bytes, { level: 1, maxPages: 3 })), ['too-many-pages'])
  for (const page of archive.blockPages.slice(1)) {
    for (let i = 0; i < 4; i++) writeWord(archive, page + i * 24 + 8, 1)
    sealPage(archive, page)
  }
  const health = await healthOf(archive.bytes)
  assert.deepEqual([health.problems.length, health.problemCount], [20, 64])
})

test('an aborted check ends with the reason of the signal', async () => {
  const signal = AbortSignal.abort(new Error('enough'))
  await assert.rejects(healthOf(buildOutlookFile().bytes, { level: 1, signal }), /enough/)
})

test('bytes changed at random are never more than a finding', async () => {
  const edit = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }))
  const format = fc.constantFrom('ansi', 'unicode', 'unicode-4k')
  await fc.assert(fc.asyncProperty(format, fc.array(edit, { maxLength: 12 }), fc.boolean(), async (format, edits, seal) => {
    const archive = buildOutlookFile({ format })
    for (const [at, value] of edits) archive.bytes[at % archive.bytes.length] = value
    if (seal) {
      sealHeader(archive)
      for (const page of [...archive.blockPages, ...archive.nodePages]) sealPage(archive, page)
    }
    const health = await healthOf(archive.bytes)
    assert.ok(health.pages <= 7)
    assert.equal(health.state === 'sound', health.problemCount === 0)
  }), { numRuns: 150 })
})
