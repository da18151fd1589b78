import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { addStoreNodes } from '../../../agent/demo/outlook-archive/empty-store.ts'
import { Folders } from '../../../agent/demo/outlook-archive/folders.ts'
import { Heap, propertyContextHeap } from '../../../agent/demo/outlook-archive/heap.ts'
import { nidType, siblingNode } from '../../../agent/demo/outlook-archive/layout.ts'
import { folderPlans, sentFolder } from '../../../agent/demo/outlook-archive/mailbox.ts'
import { addMessage } from '../../../agent/demo/outlook-archive/message.ts'
import { people } from '../../../agent/demo/outlook-archive/people.ts'
import { Random } from '../../../agent/demo/outlook-archive/random.ts'
import { ArchiveStore } from '../../../agent/demo/outlook-archive/store.ts'
import { addStream, dropStream } from '../../../agent/demo/outlook-archive/streams.ts'
import { inspect, Reader } from './inspect.ts'
import { MemoryFile } from './memory-file.ts'

describe('folders', () => {
  test('hold thousands of mails, and one more changes few blocks', async () => {
    const file = new MemoryFile()
    const store = ArchiveStore.create(file)
    const folders = new Folders(store)
    addStoreNodes(store, { name: people[0]!.name, recordKey: Buffer.alloc(16, 7) })
    folders.create(folderPlans)
    const nids: number[] = []
    for (let i = 0; i < 3000; i++) nids.push(await addShortMail(store, folders, i))
    await folders.write()
    await store.commit()
    assert.deepEqual(rowsOf(file.bytes), nids)
    const before = inspect(file.bytes)

    const changed = await ArchiveStore.open(file)
    const again = new Folders(changed)
    await changed.begin()
    nids.push(await addShortMail(changed, again, 3000))
    await again.write()
    await changed.commit()
    assert.deepEqual(rowsOf(file.bytes), nids)
    const added = [...inspect(file.bytes).blocks.keys()].filter((bid) => !before.blocks.has(bid))
    assert.ok(added.length < 40, `${added.length} of ${before.blocks.size} blocks`)
  })

  async function addShortMail(store: ArchiveStore, folders: Folders, number: number): Promise<number> {
    const [owner, other] = people as [typeof people[0], typeof people[0]]
    const { nid, cells } = addMessage(store, {
      subject: `Number ${number}`, prefix: '', from: owner, to: [other], cc: [], time: 1.6e12 + number, text: 'Hello',
      html: undefined, attachments: [],
    }, { folder: sentFolder, searchKey: Buffer.alloc(16, number) })
    await folders.addMessage(sentFolder, nid, cells)
    return nid
  }

  function rowsOf(bytes: Buffer): number[] {
    const found = inspect(bytes)
    assert.deepEqual(found.errors.slice(0, 5), [])
    const errors: string[] = []
    const reader = new Reader(bytes, found.blocks, undefined, errors)
    const rows = reader.rowIds(found.nodes.get(siblingNode(sentFolder, nidType.contentsTable))!)
    assert.deepEqual(errors, [])
    return rows
  }
})

describe('streams', () => {
  test('of more than 1021 blocks come back whole and go without a trace', async () => {
    const file = new MemoryFile()
    const store = ArchiveStore.create(file)
    const content = new Random('stream').bytes(8176 * 1021 + 20_000)
    store.putNode({ nid: 0x21, data: addStream(store, Buffer.from('other')), subnodes: 0, parent: 0 })
    store.putNode({ nid: 0x41, data: addStream(store, content), subnodes: 0, parent: 0 })
    await store.commit()
    const found = inspect(file.bytes)
    assert.deepEqual(found.errors, [])
    const errors: string[] = []
    const read = new Reader(file.bytes, found.blocks, undefined, errors).stream(found.nodes.get(0x41)!.data)
    assert.ok(Buffer.concat(read).equals(content))
    assert.deepEqual(errors, [])

    const again = await ArchiveStore.open(file)
    await again.begin()
    await dropStream(again, again.node(0x41)!.data)
    again.removeNode(0x41)
    await again.commit()
    const left = inspect(file.bytes)
    assert.deepEqual(left.errors, [])
    assert.equal(left.leakedSlots, 0)
    assert.equal(left.blocks.size, 1)
  })
})

describe('Heap', () => {
  test('gives back what was added, whatever was freed in between, also after encoding', () => {
    const item = fc.uint8Array({ minLength: 1, maxLength: 3580 })
    const steps = fc.array(fc.oneof(item, fc.nat()), { maxLength: 60 })
    fc.assert(fc.property(steps, (actions) => {
      let heap = new Heap()
      const root = heap.add(Buffer.from('root'))
      const kept = new Map<number, Buffer>()
      for (const action of actions) {
        if (typeof action !== 'number') {
          kept.set(heap.add(action), Buffer.from(action))
          continue
        }
        const victim = [...kept.keys()][action % Math.max(1, kept.size)]
        if (victim !== undefined && kept.delete(victim)) heap.free(victim)
        const decoded = Heap.decode(heap.encode(propertyContextHeap, root))
        assert.equal(decoded.root, root)
        heap = decoded.heap
      }
      const blocks = heap.encode(propertyContextHeap, root)
      for (const block of blocks.slice(0, -1)) assert.equal(block.length, 8176)
      for (const [hid, bytes] of kept) assert.ok(Heap.decode(blocks).heap.get(hid).equals(bytes))
    }), { numRuns: 60 })
  })
})
