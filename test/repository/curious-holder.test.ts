/** What the objects of a backup tell to who keeps them. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { packLength, padme } from '../../agent/repository/seal.ts'
import { type TestFile, backUp, createRepository, makeDevice } from '../support/test-repository.ts'

const blockLength = 16

/** All sealed objects of a fresh owner who backs the files up. */
async function objectsOf(t: TestContext, files: Record<string, TestFile>): Promise<Buffer[]> {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  await backUp(device, repository, files)
  const names = readdirSync(device.store.directory).filter((name) => /\.(?:pack|index|snapshot)$/.test(name))
  return names.map((name) => readFileSync(join(device.store.directory, name)))
}

test('objects show neither contents nor names, nor that two owners have the same file', async (t) => {
  const files: Record<string, TestFile> = {
    'merger with Contoso.txt': { bytes: Buffer.from('The merger is on Friday. '.repeat(2000)), chunker: 'cdc-64k' },
    'photo.jpg': { bytes: randomBytes(300_000), chunker: 'cdc-64k' },
    'mail.pst': { bytes: Buffer.concat([Buffer.from('!BDN'), randomBytes(200_000)]) },
  }
  const [one, other] = [await objectsOf(t, files), await objectsOf(t, files)]
  for (const object of [...one, ...other]) {
    for (const secret of ['merger', 'Contoso', 'photo', 'mail.pst', '/data']) assert.ok(!object.includes(secret), secret)
    for (const { bytes } of Object.values(files)) assert.ok(!object.includes(Buffer.from(bytes.subarray(1000, 1032))))
  }
  const blocks = new Set(other.flatMap((object) => Array.from({ length: Math.floor(object.length / blockLength) }, (_, i) => object.toString('latin1', i * blockLength, (i + 1) * blockLength))))
  for (const object of one) {
    for (let at = 0; at + blockLength <= object.length; at++) assert.ok(!blocks.has(object.toString('latin1', at, at + blockLength)), `equal bytes at ${at}`)
  }
})

test('the lengths of objects are steps that many backups share, not sizes of files', async (t) => {
  const lengths = async (size: number) => (await objectsOf(t, { file: { bytes: randomBytes(size) } })).map(({ length }) => length).sort((a, b) => a - b)
  const first = await lengths(500_000)
  assert.ok(first.every((length) => length === padme(length) || length === packLength))
  assert.deepEqual(await lengths(506_000), first)
})
