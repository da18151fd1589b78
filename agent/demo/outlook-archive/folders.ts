/** Folders and their three tables (MS-PST 2.4.4): made once, and kept in step when messages come and go. */
import { associatedColumns, contentsColumns, hierarchyColumns, searchContentsColumns } from './columns.ts'
import { nidType, siblingNode } from './layout.ts'
import { encodeProperties, withInteger } from './property-context.ts'
import { tag } from './properties.ts'
import { addBlocks, addSubnodes, readBlocks, readSubnodes, replaceBlocks } from './streams.ts'
import { rowsNode, Table } from './table-context.ts'
import type { Cells } from './table-context.ts'
import type { ArchiveNode, ArchiveStore } from './store.ts'

export interface FolderPlan {
  readonly nid: number
  readonly parent: number
  readonly name: string
  readonly comment?: string
  /** `internal` and `search`: folders that Outlook keeps to itself. */
  readonly kind: 'mail' | 'internal' | 'search'
}

/** Folder tables that are held in memory until `write`. */
export class Folders {
  readonly #store: ArchiveStore
  readonly #contents = new Map<number, Table>()

  constructor(store: ArchiveStore) {
    this.#store = store
  }

  /** Adds empty folders. Their tables are written by `write`. */
  create(plans: readonly FolderPlan[]): void {
    for (const plan of plans) {
      const below = plans.filter((other) => other.parent === plan.nid && other.nid !== plan.nid)
      addNode(this.#store, plan.nid, plan.parent, encodeProperties([
        [tag.displayName, plan.name],
        ...plan.comment === undefined ? [] : [[tag.comment, plan.comment] as const],
        [tag.contentCount, 0],
        [tag.unreadCount, 0],
        [tag.hasSubfolders, below.length > 0 ? 1 : 0],
        ...plan.kind === 'mail' ? [[tag.containerClass, 'IPF.Note'] as const] : [],
      ]))
      if (plan.kind === 'search') {
        addSearchNodes(this.#store, plan.nid)
        continue
      }
      const hierarchy = Table.create(hierarchyColumns)
      for (const child of below) {
        hierarchy.add(child.nid, [
          [tag.displayName, child.name],
          [tag.contentCount, 0],
          [tag.unreadCount, 0],
          [tag.hasSubfolders, plans.some((other) => other.parent === child.nid) ? 1 : 0],
          ...child.kind === 'mail' ? [[tag.containerClass, 'IPF.Note'] as const] : [],
        ])
      }
      addTable(this.#store, siblingNode(plan.nid, nidType.hierarchyTable), hierarchy)
      addTable(this.#store, siblingNode(plan.nid, nidType.contentsTable), Table.create(contentsColumns))
      addTable(this.#store, siblingNode(plan.nid, nidType.associatedTable), Table.create(associatedColumns))
    }
  }

  async addMessage(folder: number, nid: number, cells: Cells): Promise<void> {
    (await this.#table(folder)).add(nid, cells)
  }

  async removeMessage(folder: number, nid: number): Promise<void> {
    (await this.#table(folder)).remove(nid)
  }

  /** Writes the contents tables that changed, the counts of their folders and those in the folders above. */
  async write(): Promise<void> {
    for (const [folder, table] of this.#contents) {
      await writeTable(this.#store, siblingNode(folder, nidType.contentsTable), table)
      const node = existing(this.#store, folder)
      const properties = withInteger(await readBlocks(this.#store, node.data), tag.contentCount, table.size)
      this.#store.putNode({ ...node, data: await replaceBlocks(this.#store, node.data, properties) })
      await this.#writeCount(node.parent, folder, table.size)
    }
    this.#contents.clear()
  }

  async #table(folder: number): Promise<Table> {
    const table = this.#contents.get(folder) ?? await readTable(this.#store, siblingNode(folder, nidType.contentsTable))
    this.#contents.set(folder, table)
    return table
  }

  async #writeCount(parent: number, folder: number, count: number): Promise<void> {
    const nid = siblingNode(parent, nidType.hierarchyTable)
    const table = await readTable(this.#store, nid)
    table.set(folder, tag.contentCount, count)
    await writeTable(this.#store, nid, table)
  }
}

/** Update queue, criteria and results of a search folder (2.4.8.6). */
function addSearchNodes(store: ArchiveStore, folder: number): void {
  store.putNode({ nid: siblingNode(folder, nidType.searchUpdateQueue), data: 0, subnodes: 0, parent: 0 })
  addNode(store, siblingNode(folder, nidType.searchCriteria), 0, encodeProperties([[tag.searchFlags, 0]]))
  addTable(store, siblingNode(folder, nidType.searchContentsTable), Table.create(searchContentsColumns))
}

/** Adds a node whose data is a heap. */
export function addNode(store: ArchiveStore, nid: number, parent: number, heap: readonly Buffer[]): void {
  store.putNode({ nid, data: addBlocks(store, heap), subnodes: 0, parent })
}

export function addTable(store: ArchiveStore, nid: number, table: Table): void {
  const { heap, rows } = table.encode()
  const subnodes = rows === undefined ? [] : [{ nid: rowsNode, data: addBlocks(store, rows), subnodes: 0 }]
  store.putNode({ nid, data: addBlocks(store, heap), subnodes: addSubnodes(store, subnodes), parent: 0 })
}

async function readTable(store: ArchiveStore, nid: number): Promise<Table> {
  const node = existing(store, nid)
  const [rows] = await readSubnodes(store, node.subnodes)
  return Table.decode({
    heap: await readBlocks(store, node.data),
    rows: rows && await readBlocks(store, rows.data),
  })
}

async function writeTable(store: ArchiveStore, nid: number, table: Table): Promise<void> {
  const node = existing(store, nid)
  const { heap, rows } = table.encode()
  const data = await replaceBlocks(store, node.data, heap)
  const [before] = await readSubnodes(store, node.subnodes)
  const rowData = await replaceRows(store, before?.data ?? 0, rows)
  let { subnodes } = node
  if (rowData !== (before?.data ?? 0)) {
    if (subnodes !== 0) store.dropBlock(subnodes)
    subnodes = rowData === 0 ? 0 : addSubnodes(store, [{ nid: rowsNode, data: rowData, subnodes: 0 }])
  }
  store.putNode({ ...node, data, subnodes })
}

async function replaceRows(store: ArchiveStore, before: number, rows: readonly Buffer[] | undefined): Promise<number> {
  if (before === 0) return rows === undefined ? 0 : addBlocks(store, rows)
  return replaceBlocks(store, before, rows ?? [])
}

function existing(store: ArchiveStore, nid: number): ArchiveNode {
  const node = store.node(nid)
  if (node === undefined) throw new RangeError(`The archive has no node ${nid.toString(16)}`)
  return node
}
