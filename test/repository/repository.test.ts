import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { Repository } from '../../agent/repository/repository.ts'
import { type TestFile, backUp, createRepository, makeDevice, readBack } from '../support/test-repository.ts'

test('files of any size come back byte for byte, by either chunker', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  const sparse = Buffer.alloc(3_000_000)
  sparse.set(randomBytes(50_000), 1_000_000)
  const bytes = {
    empty: Buffer.alloc(0), one: Buffer.of(7), exact: randomBytes(16_384 * 20), odd: randomBytes(16_384 * 300 + 5), sparse,
    zeros: Buffer.alloc(100_000), text: Buffer.from('all work and no play\n'.repeat(20_000)),
  }
  const files: Record<string, TestFile> = Object.fromEntries(Object.entries(bytes).flatMap(([name, content]) => [
    [`${name}.fixed`, { bytes: content, chunker: 'fixed-16k' as const }], [`${name}.cdc`, { bytes: content, chunker: 'cdc-64k' as const }],
  ]))
  const result = await backUp(device, repository, files)
  assert.equal(result.files, 14)
  assert.deepEqual(result.receipts.placed, 1)
  const back = await readBack(repository, await repository.snapshot('latest'))
  assert.deepEqual(Object.keys(back).sort(), Object.keys(files).sort())
  for (const [name, { bytes: expected }] of Object.entries(files)) assert.ok(back[name]?.equals(expected), name)
})

test('a repository that is opened again reads and goes on where it was', async (t) => {
  const device = await makeDevice(t)
  const bytes = randomBytes(1_000_000)
  {
    await using repository = await createRepository(device)
    await backUp(device, repository, { a: { bytes } })
  }
  await using repository = await Repository.open(device.options)
  const second = await backUp(device, repository, { a: { bytes } })
  assert.equal(second.bytesNew, 0)
  assert.equal(second.seq, 2)
  assert.ok((await readBack(repository, second.snapshot))['a']?.equals(bytes))
})
