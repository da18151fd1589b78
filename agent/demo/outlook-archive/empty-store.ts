/**
 * The nodes that every archive must have (MS-PST 2.7): the message store, the name-to-id map, the root folder with its
 * subtree, the template tables, and the search nodes. Written from the specification, without a template file.
 */
import {
  associatedColumns, attachmentColumns, contentsColumns, hierarchyColumns, outgoingQueueColumns, receiveFolderColumns,
  recipientColumns, searchContentsColumns,
} from './columns.ts'
import { addNode, addTable } from './folders.ts'
import type { FolderPlan } from './folders.ts'
import { encodeNameMap } from './name-map.ts'
import { encodeProperties } from './property-context.ts'
import { tag } from './properties.ts'
import { addStream } from './streams.ts'
import { Table } from './table-context.ts'
import type { ArchiveStore } from './store.ts'

export const messageStoreNode = 0x21
const nameMapNode = 0x61
const rootFolder = 0x122
export const topFolder = 0x8022
const searchRootFolder = 0x8042
const deletedItemsFolder = 0x8062
const viewsFolder = 0x8082
const spamSearchFolder = 0x2223
/** The highest index among the folders above. */
export const lastFixedFolderIndex = 0x404

const searchQueueNodes = [0x1e1, 0x261]
const searchActivityNode = 0x201
const receiveFolderTag = 0x6605_0003
const receiveFolderNode = 0x62b

const templateTables: readonly (readonly [nid: number, columns: readonly number[]])[] = [
  [0x60d, hierarchyColumns],
  [0x60e, contentsColumns],
  [0x60f, associatedColumns],
  [0x610, searchContentsColumns],
  [0x64c, outgoingQueueColumns],
  [0x671, attachmentColumns],
  [0x692, recipientColumns],
]

/** The folders that Outlook expects, root first. */
export const fixedFolders: readonly FolderPlan[] = [
  { nid: rootFolder, parent: rootFolder, name: '', kind: 'internal' },
  { nid: topFolder, parent: rootFolder, name: 'Top of Outlook data file', kind: 'internal' },
  { nid: searchRootFolder, parent: rootFolder, name: 'Search Root', kind: 'internal' },
  { nid: viewsFolder, parent: rootFolder, name: 'IPM_COMMON_VIEWS', kind: 'internal' },
  { nid: spamSearchFolder, parent: rootFolder, name: 'SPAM Search Folder 2', kind: 'search' },
  { nid: deletedItemsFolder, parent: topFolder, name: 'Deleted Items', comment: 'Deleted Items folder', kind: 'mail' },
]

/** @param recordKey 16 bytes that name this store */
export function addStoreNodes(store: ArchiveStore, { name, recordKey }: { name: string; recordKey: Buffer }): void {
  const entry = (nid: number): Buffer => entryId(recordKey, nid)
  addNode(store, messageStoreNode, 0, encodeProperties([
    [tag.recordKey, recordKey],
    [tag.displayName, name],
    [tag.validFolderMask, 0xc9],
    [tag.subtreeEntry, entry(topFolder)],
    [tag.wastebasketEntry, entry(deletedItemsFolder)],
    [tag.viewsEntry, entry(viewsFolder)],
    [tag.finderEntry, entry(searchRootFolder)],
    [tag.password, 0],
  ]))
  addNode(store, nameMapNode, 0, encodeNameMap())
  for (const [nid, columns] of templateTables) addTable(store, nid, Table.create(columns))
  const receiveFolders = Table.create(receiveFolderColumns)
  receiveFolders.add(1, [[receiveFolderTag, rootFolder], [tag.messageClass, '']])
  addTable(store, receiveFolderNode, receiveFolders)
  for (const nid of searchQueueNodes) store.putNode({ nid, data: 0, subnodes: 0, parent: 0 })
  const active = Buffer.alloc(4)
  active.writeUInt32LE(spamSearchFolder)
  store.putNode({ nid: searchActivityNode, data: addStream(store, active), subnodes: 0, parent: 0 })
}

/** ENTRYID (2.4.3.2): four flag bytes, the record key of the store, the node id. */
function entryId(recordKey: Buffer, nid: number): Buffer {
  const bytes = Buffer.alloc(24)
  recordKey.copy(bytes, 4)
  bytes.writeUInt32LE(nid, 20)
  return bytes
}
