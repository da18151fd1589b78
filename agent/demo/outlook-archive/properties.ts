/** MAPI property tags (id and type, MS-OXPROPS) and the encoding of their values. */

export const tag = {
  importance: 0x0017_0003,
  messageClass: 0x001a_001f,
  priority: 0x0026_0003,
  sensitivity: 0x0036_0003,
  subject: 0x0037_001f,
  clientSubmitTime: 0x0039_0040,
  sentRepresentingName: 0x0042_001f,
  messageToMe: 0x0057_000b,
  messageCcMe: 0x0058_000b,
  sentRepresentingAddressType: 0x0064_001f,
  sentRepresentingAddress: 0x0065_001f,
  conversationTopic: 0x0070_001f,
  conversationIndex: 0x0071_0102,
  senderName: 0x0c1a_001f,
  senderAddressType: 0x0c1e_001f,
  senderAddress: 0x0c1f_001f,
  recipientType: 0x0c15_0003,
  displayCc: 0x0e03_001f,
  displayTo: 0x0e04_001f,
  deliveryTime: 0x0e06_0040,
  messageFlags: 0x0e07_0003,
  messageSize: 0x0e08_0003,
  responsibility: 0x0e0f_000b,
  messageStatus: 0x0e17_0003,
  attachSize: 0x0e20_0003,
  attachNumber: 0x0e21_0003,
  recordKey: 0x0ff9_0102,
  objectType: 0x0ffe_0003,
  body: 0x1000_001f,
  html: 0x1013_0102,
  nativeBody: 0x1016_0003,
  messageId: 0x1035_001f,
  displayName: 0x3001_001f,
  addressType: 0x3002_001f,
  emailAddress: 0x3003_001f,
  comment: 0x3004_001f,
  creationTime: 0x3007_0040,
  modificationTime: 0x3008_0040,
  searchKey: 0x300b_0102,
  validFolderMask: 0x35df_0003,
  subtreeEntry: 0x35e0_0102,
  wastebasketEntry: 0x35e3_0102,
  viewsEntry: 0x35e6_0102,
  finderEntry: 0x35e7_0102,
  contentCount: 0x3602_0003,
  unreadCount: 0x3603_0003,
  hasSubfolders: 0x360a_000b,
  containerClass: 0x3613_001f,
  attachData: 0x3701_0102,
  attachFilename: 0x3704_001f,
  attachMethod: 0x3705_0003,
  attachLongFilename: 0x3707_001f,
  renderingPosition: 0x370b_0003,
  attachMime: 0x370e_001f,
  displayType: 0x3900_0003,
  internetCodepage: 0x3fde_0003,
  searchFlags: 0x660b_0003,
  rowId: 0x67f2_0003,
  rowVersion: 0x67f3_0003,
  password: 0x67ff_0003,
  /** Named: `content-class`, see name-map.ts. */
  contentClass: 0x8000_001f,
} as const

/** By type: integer and boolean a number, text a string, time milliseconds since 1970, binary bytes. */
export type Value = number | string | Uint8Array
export type Properties = readonly (readonly [tag: number, value: Value])[]

export function typeOf(tag: number): number {
  return tag & 0xffff
}

/** Bytes of a cell in a table row: fixed-size types inline, all others as a heap id. */
export function cellBytes(tag: number): 1 | 4 | 8 {
  const type = typeOf(tag)
  if (type === 0x000b) return 1
  return type === 0x0040 || type === 0x0014 ? 8 : 4
}

/** True when the value, and not a heap id, stands in a table row. */
export function isInlineCell(tag: number): boolean {
  return [0x0003, 0x000b, 0x0014, 0x0040].includes(typeOf(tag))
}

/** True when the value, and not a heap id, stands in a property context. */
export function isInlineProperty(tag: number): boolean {
  return [0x0003, 0x000b].includes(typeOf(tag))
}

export function encodeValue(tag: number, value: Value): Buffer {
  if (typeof value === 'string') return Buffer.from(value, 'utf16le')
  if (typeof value !== 'number') return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  const bytes = Buffer.alloc(cellBytes(tag))
  if (bytes.length === 1) bytes[0] = value
  else if (bytes.length === 4) bytes.writeUInt32LE(value >>> 0)
  else bytes.writeBigUInt64LE(BigInt(value) * 10_000n + 116_444_736_000_000_000n)
  return bytes
}
