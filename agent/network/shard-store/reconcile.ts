/** Brings the index in line with the folder: by names, reading only the headers of files that it does not know. */
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { OwnerId } from '../../../shared/ids.ts'
import { idToBytes, ownerIdFromBytes } from '../../identity/machine.ts'
import { compareHeads, headFromJson, verifyPublishedHead } from '../published-head.ts'
import { checkRef } from '../shard.ts'
import type { FolderIndex } from './folder-index.ts'
import type { HeadHistory } from './head-history.ts'
import type { ShardRef } from './port.ts'
import { readEntry } from './shard-file.ts'

const ownerFolder = /^[0-9a-f]{64}$/
const shardName = /^([0-9a-f]{64})\.(\d{1,3})\.shard$/

export interface Reconciling {
  readonly path: string
  readonly index: FolderIndex
  readonly history: HeadHistory
  /** The holder's own time, ms. */
  readonly now: () => number
  /** Told of files that are not what they should be; they count as not there. */
  readonly report: (error: unknown) => void
}

export async function reconcile(context: Reconciling): Promise<void> {
  const { path, index } = context
  const found = (await readdir(path)).filter((name) => ownerFolder.test(name))
  const owners = new Set([...found.map((name) => ownerIdFromBytes(Buffer.from(name, 'hex'))), ...index.owners()])
  for (const owner of owners) {
    const folder = idToBytes(owner).toString('hex')
    const names = found.includes(folder) ? await readdir(join(path, folder)) : []
    await reconcileShards(context, owner, names)
    for (const name of names) if (name.endsWith('.head')) await reconcileHead(context, join(path, folder, name))
  }
}

async function reconcileShards({ path, index, now, report }: Reconciling, owner: OwnerId, names: readonly string[]): Promise<void> {
  const known = index.names(owner)
  for (const name of names) {
    const [, id, number] = shardName.exec(name) ?? []
    if (id === undefined || known.delete(`${id}.${number}`)) continue
    try {
      const { entry, size } = await readEntry(join(path, idToBytes(owner).toString('hex'), name))
      checkRef(entry, { owner, id: entry.id, number: Number(number) })
      if (entry.id === id) index.add(entry, { size, stored: now() })
    } catch (error) {
      report(error)
    }
  }
  for (const gone of known) {
    const [id = '', number = ''] = gone.split('.')
    index.remove({ owner, id: id as ShardRef['id'], number: Number(number) })
  }
}

async function reconcileHead({ index, history, now, report }: Reconciling, path: string): Promise<void> {
  try {
    const head = await verifyPublishedHead(headFromJson(await readFile(path, 'utf8')))
    const newest = history.newest(head.device.owner, head.device.machine)
    const { owner } = head.device
    if (newest === undefined || compareHeads(head, newest) > 0) history.record(head, now(), () => index.heldBytes(owner))
  } catch (error) {
    report(error)
  }
}
