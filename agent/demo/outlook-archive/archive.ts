/**
 * Synthetic Outlook archives: Unicode PST files with invented office mail, the same bytes for the same arguments.
 *
 * `createArchive` writes a new file in one pass: blocks of mails, folder tables, tree pages, maps, header. `growArchive`
 * changes it as Outlook does: what is new or changed goes to free space or to the end, what is old stays in place until
 * the header points to the new trees (see store.ts).
 *
 * It writes only what its own archives need: no rules, no searches, no calendar, no moves, no compaction.
 */
import { rm } from 'node:fs/promises'
import { openArchiveFile } from './archive-file.ts'
import type { ArchiveFile } from './archive-file.ts'
import { addStoreNodes, lastFixedFolderIndex, messageStoreNode } from './empty-store.ts'
import { Folders } from './folders.ts'
import { firstMapOffset, nidType, regionBytes, typeOfNode } from './layout.ts'
import { writeMail } from './mail.ts'
import { folderPlans, pickFolder, sentFolder } from './mailbox.ts'
import { addMessage } from './message.ts'
import { people } from './people.ts'
import type { Person } from './people.ts'
import { tag } from './properties.ts'
import { readText } from './property-context.ts'
import { Random } from './random.ts'
import { ArchiveStore, readNodes } from './store.ts'
import { dropStream, dropSubnodes, readBlocks } from './streams.ts'
import { HoldfastError } from '../../../shared/errors.ts'

export const smallestArchive = 1 << 20
const flushBytes = 4 << 20
/** What a mail adds to its folder's table and to the trees at most, and what a mail without attachments takes. */
const tableBytesPerMessage = 640
const plainMailBytes = 64 << 10

export interface CreateOptions {
  /** Wanted file size in bytes, at least 1 MiB; the file is the next possible size, less than 253,952 bytes above. */
  readonly bytes: number
  readonly seed: number
  /** Called now and then with the bytes done so far. */
  readonly onProgress?: (done: number) => void
  readonly signal?: AbortSignal
}

export interface CreatedArchive {
  readonly size: number
  readonly messages: number
  /** Mail folders, the empty ones included. */
  readonly folders: number
}

/**
 * Writes a new archive.
 *
 * @throws HoldfastError `already-exists` when there is a file at `path`; `invalid-input` for a size below 1 MiB;
 *   `cancelled` by the signal. Nothing is left at `path` then.
 */
export async function createArchive(path: string, options: CreateOptions): Promise<CreatedArchive> {
  if (!(options.bytes >= smallestArchive)) {
    throw new HoldfastError('invalid-input', `Cannot create an archive of ${options.bytes} bytes: at least 1 MiB`)
  }
  await using file = await openArchiveFile(path, 'create')
  try {
    return await fill(file, options)
  } catch (error) {
    await rm(path, { force: true })
    throw error
  }
}

export interface GrowOptions {
  /** How many mails to add; or, instead, about how many bytes the file's new blocks shall have. */
  readonly addMessages?: number
  readonly bytes?: number
  /** Mails to delete, picked at random. Default 0. */
  readonly deleteMessages?: number
  readonly seed: number
  readonly signal?: AbortSignal
}

export interface GrownArchive {
  readonly size: number
  /** All bytes that were given to the file, changed or not. */
  readonly bytesWritten: number
  readonly messagesAdded: number
  readonly messagesDeleted: number
}

/**
 * Adds and deletes mails in an archive of `createArchive`.
 *
 * @throws HoldfastError `invalid-input`, `not-found`, `format-unknown`, `file-unreadable`, `cancelled` (the archive then
 *   still has its old content, but its maps are marked as not valid, as after a crash of Outlook)
 */
export async function growArchive(path: string, options: GrowOptions): Promise<GrownArchive> {
  await using file = await openArchiveFile(path, 'change')
  return await growFile(file, options)
}

/** As `growArchive`, on an open file. */
export async function growFile(file: ArchiveFile, options: GrowOptions): Promise<GrownArchive> {
  const { addMessages, bytes, deleteMessages = 0, seed, signal } = options
  if ((addMessages === undefined) === (bytes === undefined)) {
    throw new HoldfastError('invalid-input', 'Cannot grow the archive: give either a number of messages or of bytes')
  }
  const store = await ArchiveStore.open(file)
  const folders = new Folders(store)
  const random = new Random(`grow ${seed}`)
  const owner = await readOwner(store)
  const doomed = pickMessages(store, deleteMessages, random)
  await store.begin()
  for (const message of doomed) {
    throwIfCancelled(signal)
    await folders.removeMessage(message.parent, message.nid)
    await dropStream(store, message.data)
    await dropSubnodes(store, message.subnodes)
    store.removeNode(message.nid)
  }
  let added = 0
  const budget = bytes ?? Number.POSITIVE_INFINITY
  while (bytes === undefined ? added < (addMessages ?? 0) : store.bytesAdded + plainMailBytes / 2 < budget) {
    throwIfCancelled(signal)
    await addMail(store, folders, { random, owner, mostAttachmentBytes: budget - store.bytesAdded })
    added++
    if (store.pending >= flushBytes) await store.flush()
  }
  await folders.write()
  await store.commit()
  return {
    size: store.size, bytesWritten: store.bytesWritten, messagesAdded: added, messagesDeleted: doomed.length,
  }
}

/** How many mails an archive holds, from its node tree alone. @throws as `growArchive` */
export async function countMessages(path: string): Promise<number> {
  await using file = await openArchiveFile(path, 'read')
  return (await readNodes(file)).filter(({ nid }) => typeOfNode(nid) === nidType.normalMessage).length
}

async function fill(file: ArchiveFile, { bytes, seed, onProgress, signal }: CreateOptions): Promise<CreatedArchive> {
  const random = new Random(`archive ${seed}`)
  const store = ArchiveStore.create(file)
  const folders = new Folders(store)
  const owner = random.pick(people)
  addStoreNodes(store, { name: owner.name, recordKey: random.bytes(16) })
  folders.create(folderPlans)
  const added = folderPlans.filter(({ nid }) => typeOfNode(nid) === nidType.normalFolder && nid >>> 5 > lastFixedFolderIndex)
  for (const _ of added) store.newNode(nidType.normalFolder)
  const size = firstMapOffset + Math.ceil((bytes - firstMapOffset) / regionBytes) * regionBytes
  let messages = 0
  for (;;) {
    throwIfCancelled(signal)
    const rest = size - store.used - store.treeBytes - messages * tableBytesPerMessage
    if (rest < 2 * plainMailBytes) break
    await addMail(store, folders, { random, owner, mostAttachmentBytes: (rest - 2 * plainMailBytes) * 0.9 })
    messages++
    if (store.pending < flushBytes) continue
    await store.flush()
    onProgress?.(store.used)
  }
  await folders.write()
  await store.commit(size)
  onProgress?.(store.size)
  return { size: store.size, messages, folders: folderPlans.filter(({ kind }) => kind === 'mail').length }
}

interface MailPlan {
  readonly random: Random
  readonly owner: Person
  readonly mostAttachmentBytes: number
}

async function addMail(store: ArchiveStore, folders: Folders, plan: MailPlan): Promise<void> {
  const { random, owner, mostAttachmentBytes } = plan
  const folder = pickFolder(random)
  const mail = writeMail(random, { owner, sent: folder === sentFolder, number: store.messageNumber, mostAttachmentBytes })
  const { nid, cells } = addMessage(store, mail, { folder, searchKey: random.bytes(16) })
  await folders.addMessage(folder, nid, cells)
}

/** The store bears its owner's name. */
async function readOwner(store: ArchiveStore): Promise<Person> {
  const node = store.node(messageStoreNode)
  const name = node === undefined ? '' : readText(await readBlocks(store, node.data), tag.displayName)
  const owner = people.find((person) => person.name === name)
  if (owner === undefined) {
    throw new HoldfastError('format-unknown', 'Cannot grow the archive: it was not made by the demo')
  }
  return owner
}

function pickMessages(store: ArchiveStore, count: number, random: Random) {
  const messages = [...store.nodes()].filter(({ nid }) => typeOfNode(nid) === nidType.normalMessage)
  const picked: typeof messages = []
  for (let i = 0; i < Math.min(count, messages.length); i++) {
    const other = i + random.below(messages.length - i)
    picked.push(messages[other]!)
    messages[other] = messages[i]!
  }
  return picked
}

function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) {
    throw new HoldfastError('cancelled', 'Cannot finish the archive: it was cancelled', { cause: signal.reason })
  }
}
