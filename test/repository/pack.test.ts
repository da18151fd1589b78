import assert from 'node:assert/strict'
import { randomBytes, randomFillSync } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { test } from 'node:test'
import zlib from 'node:zlib'
import * as fc from 'fast-check'
import { hasCode } from '../../shared/errors.ts'
import { hashLeaves, rootOf } from '../../agent/merkle.ts'
import { chunkId, chunkIdKeyOf } from '../../agent/repository/chunk-id.ts'
import { decodeIndex, encodeIndex, splitForIndexes } from '../../agent/repository/index-object.ts'
import { type FinishedPack, PackBuilder, openDocument, readTable, sealDocument } from '../../agent/repository/pack.ts'
import { decodeTable } from '../../agent/repository/table.ts'
import { openPart, packLength, padme } from '../../agent/repository/seal.ts'

const keys = { owner: randomBytes(32), dataKey: randomBytes(32) }
const idKey = chunkIdKeyOf(randomBytes(32))
const refused = (error: unknown): boolean => hasCode(error, 'object-damaged', 'format-unknown')

function pack(chunks: readonly Uint8Array[]): FinishedPack[] {
  const packs: FinishedPack[] = []
  const builder = new PackBuilder({ ...keys, epoch: 1, random: (length) => randomBytes(length), emit: (finished) => packs.push(finished) })
  for (const chunk of chunks) builder.add(chunkId(idKey, chunk), chunk)
  builder.flush()
  return packs
}

async function unpack(bytes: Uint8Array): Promise<{ id: Buffer, bytes: Buffer }[]> {
  const { key, segments } = await readTable(bytes.length, async (offset, length) => bytes.subarray(offset, offset + length), () => keys)
  return segments.flatMap((segment, number) => {
    const plain = openPart(key, { ...segment, number }, bytes.subarray(segment.offset, segment.offset + segment.length))
    return segment.chunks.map(({ id, offset, length }) => ({ id, bytes: plain.subarray(offset, offset + length) }))
  })
}

test('chunks of any lengths come out of a pack as they went in, under their ids', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 1, maxLength: 2000 }), { minLength: 1, maxLength: 40 }), async (chunks) => {
    const [only, ...more] = pack(chunks)
    assert.equal(more.length, 0)
    const { bytes, id, leaves } = only as FinishedPack
    assert.equal(bytes.length, padme(bytes.length))
    assert.deepEqual(leaves, hashLeaves(bytes))
    assert.equal(id, rootOf(leaves).toString('hex'))
    const found = await unpack(bytes)
    assert.deepEqual(found.map((chunk) => new Uint8Array(chunk.bytes)), chunks)
    for (const chunk of found) assert.deepEqual(chunk.id, chunkId(idKey, chunk.bytes))
  }), { verbose: 1, numRuns: 40 })
})

test('a run of packs fills 16 MiB each but for the last', async () => {
  const chunks = Array.from({ length: 150 }, (_, i) => randomBytes(i < 10 ? 1_048_576 : 200_000))
  const packs = pack(chunks)
  assert.ok(packs.length >= 2)
  for (const { bytes, plainBytes } of packs.slice(0, -1)) {
    assert.equal(bytes.length, packLength)
    assert.ok(plainBytes > packLength - 300_000, `${plainBytes} bytes of chunks in a pack`)
  }
  const found = (await Promise.all(packs.map(async ({ bytes }) => await unpack(bytes)))).flat()
  assert.ok(Buffer.concat(found.map(({ bytes }) => bytes)).equals(Buffer.concat(chunks)))
})

test('every compressed segment gives its memory back when the pack has it, not when the heap is collected', (context) => {
  const frames: Buffer[] = []
  const compress = zlib.zstdCompressSync
  context.mock.method(zlib, 'zstdCompressSync', (...call: Parameters<typeof compress>) => {
    const frame = compress(...call)
    frames.push(frame)
    return frame
  })
  syncBuiltinESMExports()
  context.after(syncBuiltinESMExports)
  const memory = Buffer.from(new SharedArrayBuffer(packLength))
  const packs: FinishedPack[] = []
  const builder = new PackBuilder({ ...keys, epoch: 1, random: (length) => randomBytes(length), acquire: () => memory, emit: (finished) => packs.push(finished) })
  const chunk = Buffer.alloc(16_384)
  while (packs.length < 2) {
    randomFillSync(chunk, 0, 10_700) // the rest is zeros; 24 segments and a half fill a pack
    builder.add(randomBytes(16), chunk)
  }
  assert.ok(frames.length > 40)
  assert.equal(frames.filter(({ length }) => length > 0).length, 0)
})

test('more tiny chunks than a segment can count make another segment', async () => {
  const chunks = Array.from({ length: 70_000 }, (_, i) => Buffer.of(i & 255, i >> 8 & 255, i >> 16))
  const [only] = pack(chunks)
  assert.equal((await unpack((only as FinishedPack).bytes)).length, 70_000)
})

test('a pack with any bit flipped in header, segments or table gives no wrong byte', async () => {
  const chunks = [randomBytes(3000), Buffer.alloc(5000, 'text'), randomBytes(10)]
  const { bytes } = pack(chunks)[0] as FinishedPack
  const used = 4000
  await fc.assert(fc.asyncProperty(fc.nat({ max: used * 8 - 1 }), async (bit) => {
    const damaged = Uint8Array.from(bytes)
    damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7))
    try {
      assert.deepEqual((await unpack(damaged)).map((chunk) => Buffer.from(chunk.bytes)), chunks)
    } catch (error) {
      assert.ok(refused(error), String(error))
    }
  }), { verbose: 1, numRuns: 300 })
})

test('decodeTable() throws nothing but object-damaged or format-unknown on any bytes and on any change of a table', () => {
  const { table, bytes } = pack([randomBytes(100), randomBytes(200)])[0] as FinishedPack
  assert.equal(decodeTable(table, bytes.length)[0]?.chunks.length, 2)
  const check = (input: Uint8Array): void => {
    try {
      decodeTable(input, bytes.length)
    } catch (error) {
      assert.ok(refused(error), String(error))
    }
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), check), { verbose: 1 })
  fc.assert(fc.property(fc.nat({ max: table.length - 1 }), fc.nat({ max: 255 }), (at, value) => {
    const changed = Uint8Array.from(table)
    changed[at] = value
    check(changed)
    check(changed.subarray(0, at))
  }), { verbose: 1 })
})

test('a document of several segments comes back, and not as another kind', async () => {
  const document = Buffer.concat([randomBytes(1_500_000), Buffer.alloc(1_500_000, 'index')])
  const { bytes } = sealDocument('index', document, { ...keys, epoch: 1, salt: randomBytes(32) })
  assert.ok((await openDocument('index', bytes, () => keys)).equals(document))
  await assert.rejects(openDocument('snapshot', bytes, () => keys), refused)
})

test('an index gives back its packs, is cut into objects of a bounded length, and refuses any cut', () => {
  const packs = Array.from({ length: 3 }, () => {
    const { id, bytes, epoch, salt, table } = pack([randomBytes(500), randomBytes(70)])[0] as FinishedPack
    return { id, length: bytes.length, epoch, salt, table }
  })
  const encoded = encodeIndex(packs)
  const plain = (list: readonly typeof packs[number][]) => list.map((one) => ({ ...one, salt: Buffer.from(one.salt), table: Buffer.from(one.table) }))
  assert.deepEqual(plain(decodeIndex(encoded) as typeof packs), plain(packs))
  for (let length = 0; length < encoded.length; length++) assert.throws(() => decodeIndex(encoded.subarray(0, length)), refused)
  const long = Array.from({ length: 5 }, () => ({ ...packs[0] as typeof packs[number], table: new Uint8Array(5_000_000) }))
  assert.deepEqual(splitForIndexes(long).map((part) => part.length), [2, 2, 1])
})
