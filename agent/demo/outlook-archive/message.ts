/** Message and attachment objects (MS-PST 2.4.5, 2.4.6). */
import { makeAttachment } from './attachments.ts'
import type { AttachmentPlan } from './attachments.ts'
import { attachmentColumns, recipientColumns } from './columns.ts'
import { nidType, nodeId } from './layout.ts'
import type { Mail } from './mail.ts'
import type { Person } from './people.ts'
import { encodeProperties } from './property-context.ts'
import { tag } from './properties.ts'
import type { Properties } from './properties.ts'
import { addBlocks, addStream, addSubnodes } from './streams.ts'
import type { Subnode } from './streams.ts'
import { rowsNode, Table } from './table-context.ts'
import type { Cells } from './table-context.ts'
import type { ArchiveStore } from './store.ts'

const recipientTable = 0x692
const attachmentTable = 0x671
const flagRead = 0x01
const flagHasAttachments = 0x10
const mailUser = 6
const attachByValue = 1
const notRendered = 0xffff_ffff

export interface StoredMessage {
  readonly nid: number
  /** Its row in the folder's contents table. */
  readonly cells: Cells
}

export interface MessageContext {
  readonly folder: number
  /** 16 bytes that no other message has. */
  readonly searchKey: Buffer
}

export function addMessage(store: ArchiveStore, mail: Mail, { folder, searchKey }: MessageContext): StoredMessage {
  const nid = store.newNode(nidType.normalMessage)
  const subnodes: Subnode[] = [tableSubnode(store, recipientTable, recipients(mail))]
  const addLarge = largeValues(store, subnodes)
  if (mail.attachments.length > 0) {
    subnodes.push(tableSubnode(store, attachmentTable, attachmentRows(mail.attachments)))
    for (const [i, plan] of mail.attachments.entries()) subnodes.push(attachment(store, plan, i))
  }
  const size = mail.text.length * 2 + (mail.html?.length ?? 0) + mail.attachments.reduce((sum, a) => sum + a.size, 0)
  const shown = cellsOf(mail, size)
  const data = addBlocks(store, encodeProperties([
    ...shown.filter(([column]) => column !== tag.messageToMe && column !== tag.messageCcMe),
    ...transport(mail, { nid, searchKey }),
    [tag.body, mail.text],
    ...mail.html === undefined ? [] : [
      [tag.html, Buffer.from(mail.html)] as const, [tag.internetCodepage, 65001] as const, [tag.nativeBody, 3] as const,
    ],
  ], addLarge))
  store.putNode({ nid, data, subnodes: addSubnodes(store, subnodes), parent: folder })
  return { nid, cells: shown }
}

/** Properties that stand in the message and in the folder's table. */
function cellsOf(mail: Mail, size: number): Cells {
  return [
    [tag.messageClass, 'IPM.Note'],
    [tag.importance, 1],
    [tag.sensitivity, 0],
    [tag.messageStatus, 0],
    [tag.subject, `${String.fromCharCode(1, mail.prefix.length + 1)}${mail.prefix}${mail.subject}`],
    [tag.conversationTopic, mail.subject],
    [tag.sentRepresentingName, mail.from.name],
    [tag.displayTo, namesOf(mail.to)],
    [tag.displayCc, namesOf(mail.cc)],
    [tag.clientSubmitTime, mail.time],
    [tag.deliveryTime, mail.time + 2000],
    [tag.modificationTime, mail.time + 2000],
    [tag.messageFlags, flagRead | (mail.attachments.length > 0 ? flagHasAttachments : 0)],
    [tag.messageSize, size],
    [tag.messageToMe, 1],
    [tag.messageCcMe, 0],
  ]
}

function transport(mail: Mail, { nid, searchKey }: { nid: number; searchKey: Buffer }): Properties {
  return [
    [tag.priority, 0],
    [tag.sentRepresentingAddressType, 'SMTP'],
    [tag.sentRepresentingAddress, mail.from.address],
    [tag.senderName, mail.from.name],
    [tag.senderAddressType, 'SMTP'],
    [tag.senderAddress, mail.from.address],
    [tag.messageId, `<${nid.toString(16)}.${searchKey.toString('hex', 0, 6)}@example.com>`],
    [tag.creationTime, mail.time + 2000],
    [tag.searchKey, searchKey],
    [tag.contentClass, 'urn:content-classes:message'],
  ]
}

function recipients({ to, cc }: Mail): Table {
  const table = Table.create(recipientColumns)
  const all = [...to.map((person) => ({ person, type: 1 })), ...cc.map((person) => ({ person, type: 2 }))]
  for (const [i, { person, type }] of all.entries()) {
    table.add(i, [
      [tag.recipientType, type],
      [tag.responsibility, 1],
      [tag.objectType, mailUser],
      [tag.displayType, 0],
      [tag.displayName, person.name],
      [tag.addressType, 'SMTP'],
      [tag.emailAddress, person.address],
    ])
  }
  return table
}

function attachmentRows(plans: readonly AttachmentPlan[]): Table {
  const table = Table.create(attachmentColumns)
  for (const [i, plan] of plans.entries()) {
    table.add(attachmentNode(i), [
      [tag.attachSize, plan.size],
      [tag.attachFilename, plan.name],
      [tag.attachMethod, attachByValue],
      [tag.renderingPosition, notRendered],
    ])
  }
  return table
}

function attachment(store: ArchiveStore, plan: AttachmentPlan, index: number): Subnode {
  const below: Subnode[] = []
  const data = addBlocks(store, encodeProperties([
    [tag.attachSize, plan.size],
    [tag.attachNumber, index],
    [tag.attachData, makeAttachment(plan)],
    [tag.attachFilename, plan.name],
    [tag.attachLongFilename, plan.name],
    [tag.attachMethod, attachByValue],
    [tag.renderingPosition, notRendered],
    [tag.attachMime, plan.mime],
  ], largeValues(store, below)))
  return { nid: attachmentNode(index), data, subnodes: addSubnodes(store, below) }
}

function attachmentNode(index: number): number {
  return nodeId(nidType.attachment, index + 1)
}

/** Stores large property values as subnodes, numbered from 1. */
function largeValues(store: ArchiveStore, subnodes: Subnode[]): (value: Buffer) => number {
  let index = 0
  return (value) => {
    index++
    const nid = nodeId(nidType.localProperty, index)
    subnodes.push({ nid, data: addStream(store, value), subnodes: 0 })
    return nid
  }
}

function tableSubnode(store: ArchiveStore, nid: number, table: Table): Subnode {
  const { heap, rows } = table.encode()
  const below = rows === undefined ? [] : [{ nid: rowsNode, data: addBlocks(store, rows), subnodes: 0 }]
  return { nid, data: addBlocks(store, heap), subnodes: addSubnodes(store, below) }
}

function namesOf(persons: readonly Person[]): string {
  return persons.map((person) => person.name).join('; ')
}
