import { nidType, nodeId } from './layout.ts'
import type { Random } from './random.ts'
import { fixedFolders, lastFixedFolderIndex, topFolder } from './empty-store.ts'
import type { FolderPlan } from './folders.ts'

const projectsFolder = folderNode(3)

/** The folders of a user's archive, below the top. */
const mailFolders: readonly FolderPlan[] = [
  { nid: folderNode(1), parent: topFolder, name: 'Inbox', kind: 'mail' },
  { nid: folderNode(2), parent: topFolder, name: 'Sent Items', kind: 'mail' },
  { nid: projectsFolder, parent: topFolder, name: 'Projects', kind: 'mail' },
  ...['Aurora', 'Basalt', 'Cedar', 'Delta', 'Ember', 'Fjord', 'Granite', 'Harbour'].map((name, i) =>
    ({ nid: folderNode(4 + i), parent: projectsFolder, name, kind: 'mail' } as const)),
  ...Array.from({ length: 8 }, (_, i) =>
    ({ nid: folderNode(12 + i), parent: topFolder, name: `Archive ${2016 + i}`, kind: 'mail' } as const)),
]

export const sentFolder = folderNode(2)
export const folderPlans: readonly FolderPlan[] = [...fixedFolders, ...mailFolders]

/** Where a mail goes: a third to the inbox, a fifth to the sent items, the rest anywhere. */
export function pickFolder(random: Random): number {
  const share = random.next()
  if (share < 0.33) return folderNode(1)
  return share < 0.53 ? sentFolder : random.pick(mailFolders).nid
}

function folderNode(number: number): number {
  return nodeId(nidType.normalFolder, lastFixedFolderIndex + number)
}
