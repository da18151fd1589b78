import assert from 'node:assert/strict'
import { cp, mkdir, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { idToBytes } from '../../agent/identity/machine.ts'
import { surveyFolders } from '../../agent/network/collected-folders.ts'
import { CollectedStore } from '../../agent/network/collected-store.ts'
import { FolderShardStore } from '../../agent/network/shard-store/folder.ts'
import { verifyDeviceCertificate } from '../../agent/identity/device.ts'
import { type ShardGroup, makeGroup, makeObject } from '../support/shard-group.ts'
import { makeHead, makeOwner } from '../support/test-owner.ts'

interface Disks extends AsyncDisposable {
  readonly group: ShardGroup
  readonly root: string
  readonly folders: readonly string[]
}

/** A group whose machines keep their shards in folders. */
async function disks(count: number, redundancy: string): Promise<Disks> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-collected-'))
  const owner = await makeOwner()
  const device = await verifyDeviceCertificate(owner.certificate)
  const folders = Array.from({ length: count }, (_, at) => join(root, `machine-${at}`))
  const stores = await Promise.all(folders.map(async (path) => await FolderShardStore.open({ path, minFree: 0, certificateOf: () => device })))
  const group = await makeGroup(count, { redundancy, owner, stores })
  return {
    group, root, folders,
    async [Symbol.asyncDispose]() {
      await group[Symbol.asyncDispose]()
      for (const store of stores) await store[Symbol.asyncDispose]()
      await rm(root, { recursive: true })
    },
  }
}

test('any k collected folders give every object and head back, wherever they were copied to', async () => {
  await using fix = await disks(4, '2-of-4')
  const { group, folders, root } = fix
  const objects = [makeObject(600_000), makeObject(3_000, 'snapshot'), makeObject(900, 'key')]
  for (const object of objects) await group.dispersal.put(object)
  const head = await makeHead(group.owner, 1)
  for (const { store } of group.machines) await store.putHead(head)
  const ownerName = idToBytes(group.owner.root.id).toString('hex')
  await cp(join(folders[3]!, ownerName), join(root, 'stick', 'from-desk', ownerName), { recursive: true })
  for (const chosen of [[folders[0]!, folders[2]!], [folders[1]!, join(root, 'stick')], [join(folders[2]!, ownerName), join(folders[3]!, ownerName)], [root]]) {
    const store = await CollectedStore.open({ owner: group.owner.root.id, folders: chosen })
    for (const { copy, ...object } of objects) assert.ok(copy.equals(await store.get(object)))
    assert.ok(objects[0]!.copy.subarray(70_000, 270_001).equals(await store.get(objects[0]!, { offset: 70_000, length: 200_001 })))
    const listed = []
    for await (const ref of store.list()) listed.push(ref.id)
    assert.deepEqual(listed.sort(), objects.map(({ id }) => id).sort())
    assert.deepEqual((await store.collect()).heads.map(({ head }) => head), [head.head])
  }
})

test('too few folders say what is missing, and what rotted is reported and never returned', async () => {
  await using fix = await disks(3, '2-of-3')
  const { group, folders } = fix
  const object = makeObject(200_000)
  await group.dispersal.put(object)
  for (const { store } of group.machines) await store.putHead(await makeHead(group.owner, 1))
  const reports: string[] = []
  const owner = group.owner.root.id
  const one = await CollectedStore.open({ owner, folders: [folders[0]!] })
  await assert.rejects(one.get(object), (error: { code?: string; details?: { have: number; need: number } }) => error.code === 'object-missing' && error.details?.have === 1 && error.details.need === 2)
  const ownerFolder = join(folders[0]!, idToBytes(owner).toString('hex'))
  const name = (await readdir(ownerFolder)).find((name) => name.endsWith('.shard'))!
  for (const at of [50_000, 8, 5]) {
    const file = await open(join(ownerFolder, name), 'r+')
    await file.write(Buffer.of(0xee), 0, 1, at)
    await file.close()
    const store = await CollectedStore.open({ owner, folders, report: (path) => reports.push(path) })
    assert.ok(object.copy.equals(await store.get(object)), `byte ${at}`)
  }
  assert.ok(reports.length > 0 && reports.every((path) => path.endsWith(name)))
})

test('what lies in folders is told without knowing whose backup is wanted: owners, objects, and whether shards are enough', async () => {
  await using fix = await disks(3, '2-of-3')
  const { group, folders, root } = fix
  for (const object of [makeObject(200_000), makeObject(3_000, 'snapshot')]) await group.dispersal.put(object)
  const owner = group.owner.root.id
  await mkdir(join(root, 'stick'))
  const one = await surveyFolders([folders[0]!, join(root, 'stick')])
  assert.deepEqual(one, { owners: [{ owner, folders: 1, objects: 2, lookedAt: 2, readable: 0, have: 1, need: 2 }], empty: [join(root, 'stick')] })
  assert.deepEqual((await surveyFolders([root])).owners, [{ owner, folders: 3, objects: 2, lookedAt: 2, readable: 2, have: 3, need: 2 }])
  const ownerFolder = join(folders[0]!, idToBytes(owner).toString('hex'))
  const [name] = (await readdir(ownerFolder)).filter((file) => file.endsWith('.shard'))
  await writeFile(join(ownerFolder, name!), 'no header')
  const [damaged] = (await surveyFolders([folders[0]!])).owners
  assert.deepEqual(damaged, { owner, folders: 1, objects: 2, lookedAt: 2, readable: 0, have: 1, need: 2 }, 'one that cannot be read counts as lacking')
  await assert.rejects(surveyFolders([join(root, 'stick')]), (error: { code?: string; guidance?: string }) => error.code === 'not-found' && /folder `holder`/.test(error.guidance ?? ''))
  await assert.rejects(surveyFolders(['/mistyped']), { code: 'file-unreadable', message: /there is no such folder/ })
})

test('folders without anything of the owner are refused, and nothing is ever written', async () => {
  await using fix = await disks(1, 'auto')
  const stranger = await makeOwner()
  await assert.rejects(CollectedStore.open({ owner: stranger.root.id, folders: fix.folders }), { code: 'not-found' })
  await assert.rejects(CollectedStore.open({ owner: stranger.root.id, folders: ['/mistyped'] }), { code: 'file-unreadable', message: /there is no such folder/ })
  await fix.group.dispersal.put(makeObject(100))
  const store = await CollectedStore.open({ owner: fix.group.owner.root.id, folders: fix.folders })
  await assert.rejects(store.put(), { code: 'invalid-input' })
  await assert.rejects(store.publish(), { code: 'invalid-input' })
})
