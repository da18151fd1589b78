import assert from 'node:assert/strict'
import { test } from 'node:test'
import { archiveFingerprint, outlookChecksum, outlookKindOf, parseOutlookHeader } from '../../agent/source/outlook-archive.ts'
import type { OutlookHeader } from '../../agent/source/outlook-archive.ts'
import { buildOutlookFile, headerFields, sealHeader, writeWord } from '../support/outlook-file.ts'
import type { BuiltArchive } from '../support/outlook-file.ts'

function headerOf(archive: BuiltArchive): OutlookHeader {
  const header = parseOutlookHeader(archive.bytes)
  assert.ok(header)
  return header
}

test('outlookChecksum() is the CRC of MS-PST 5.3, bit by bit', () => {
  const slow = (bytes: Uint8Array): number => {
    let crc = 0
    for (const byte of bytes) {
      crc ^= byte
      for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xEDB88320 : crc >>> 1
    }
    return crc >>> 0
  }
  for (const text of ['', 'a', 'Holdfast keeps archives']) {
    assert.equal(outlookChecksum(Buffer.from(text)), slow(Buffer.from(text)))
  }
})

for (const [format, version] of [['ansi', 14], ['unicode', 23], ['unicode-4k', 36]] as const) {
  test(`parseOutlookHeader() reads the fields of an ${format} archive`, () => {
    const archive = buildOutlookFile({ format })
    const header = headerOf(archive)
    assert.deepEqual(header, {
      format,
      version,
      client: 'pst',
      checksumsValid: true,
      fileEnd: BigInt(archive.bytes.length),
      allocationMapState: 2,
      nodeTree: { id: 1000n + BigInt(archive.nodePages[0] ?? 0), offset: BigInt(archive.nodePages[0] ?? 0) },
      blockTree: { id: 1000n + BigInt(archive.blockPages[0] ?? 0), offset: BigInt(archive.blockPages[0] ?? 0) },
      nextBlockId: 44n,
      encoding: 'permute',
    })
  })
}

test('an archive is known by its content: both clients, and nothing that only resembles them', () => {
  const kind = (text: string): string | undefined => outlookKindOf(Buffer.from(text, 'latin1'))
  assert.equal(kind('!BDN....SM\x17\x00'), 'pst')
  assert.equal(kind('!BDN....SO\x17\x00'), 'ost')
  assert.equal(kind('!BDN....XX\x17\x00'), undefined)
  assert.equal(kind('!BDX....SM\x17\x00'), undefined)
  assert.equal(kind('!BDN....SM'), undefined)
})

test('parseOutlookHeader() gives nothing for a short file or an unknown version', () => {
  const { bytes } = buildOutlookFile()
  assert.equal(parseOutlookHeader(bytes.subarray(0, 567)), undefined)
  bytes.writeUInt16LE(99, 10)
  assert.equal(parseOutlookHeader(bytes), undefined)
})

test('every flipped byte under a checksum makes the header invalid, and then it has no fingerprint', () => {
  for (const at of [8, 100, 184, 250, 478, 500, 523]) {
    const archive = buildOutlookFile()
    archive.bytes[at] = (archive.bytes[at] ?? 0) ^ 1
    const header = parseOutlookHeader(archive.bytes)
    if (header === undefined) continue
    assert.equal(header.checksumsValid, false, `byte ${at}`)
    assert.equal(archiveFingerprint(header), undefined)
  }
})

test('the fingerprint stays when only other parts of the header move, and moves with roots, next block and length', () => {
  const base = archiveFingerprint(headerOf(buildOutlookFile()))
  assert.ok(base)
  const changed = (change: (archive: BuiltArchive) => void): string | undefined => {
    const archive = buildOutlookFile()
    change(archive)
    sealHeader(archive)
    return archiveFingerprint(headerOf(archive))
  }
  const fields = headerFields(buildOutlookFile())
  assert.equal(changed(({ bytes }) => bytes.writeUInt32LE(77, 40)), base)
  assert.equal(changed(({ bytes }) => bytes.writeUInt8(0, fields.mapState)), base)
  for (const at of [fields.length, fields.nextBlock, 216, 224, 232, 240]) {
    assert.notEqual(changed((archive) => writeWord(archive, at, 123_456)), base, `field at ${at}`)
  }
})
