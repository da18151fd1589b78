import { fileStem, sentence } from './prose.ts'
import { Random } from './random.ts'

/** A file that can be made again from its description, so repeated attachments need no memory. */
export interface AttachmentPlan {
  readonly name: string
  readonly mime: string
  readonly size: number
  readonly kind: 'packed' | 'table' | 'text'
  readonly seed: string
}

const kinds = {
  packed: { extensions: ['docx', 'xlsx', 'pdf', 'jpg', 'zip'], mime: 'application/octet-stream' },
  table: { extensions: ['csv'], mime: 'text/csv' },
  text: { extensions: ['txt', 'log'], mime: 'text/plain' },
} as const
const rowBytes = 68

/** Most files are small; one in two hundred has several MB. */
export function planAttachment(random: Random): AttachmentPlan {
  const share = random.next()
  const kind = share < 0.5 ? 'packed' : share < 0.85 ? 'table' : 'text'
  const u = random.next()
  const size = random.chance(0.005) ? 2_000_000 + random.below(10_000_000) : 4_000 + Math.floor(u * u * u * u * 1_000_000)
  return {
    name: `${fileStem(random)}.${random.pick(kinds[kind].extensions)}`,
    mime: kinds[kind].mime,
    size, kind,
    seed: `attachment/${random.below(0x1_0000_0000)}/${random.below(0x1_0000_0000)}`,
  }
}

/** Files that go round in the company and so are attached again and again, in every archive. */
export const circulated: readonly AttachmentPlan[] = (() => {
  const random = new Random('circulated files')
  return Array.from({ length: 24 }, () => ({ ...planAttachment(random), size: 20_000 + random.below(400_000) }))
})()

export function makeAttachment({ kind, size, seed }: AttachmentPlan): Buffer {
  const random = new Random(seed)
  if (kind === 'packed') return packedFile(random, size)
  return kind === 'table' ? tableFile(random, size) : textFile(random, size)
}

/** As docx, pdf and pictures are: a header, and the rest compressed already. */
function packedFile(random: Random, size: number): Buffer {
  const bytes = random.bytes(size)
  bytes.write('PK\u0003\u0004', 0, 'latin1')
  return bytes
}

/** Rows of a ledger: fixed text, and digits that differ. */
function tableFile(random: Random, size: number): Buffer {
  const bytes = Buffer.alloc(Math.ceil(size / rowBytes) * rowBytes)
  const row = Buffer.from('2000-00-00;PO-00000;item 0000;warehouse 0;pieces 000;EUR 00000.00; ok\r\n'.slice(0, rowBytes - 2) + '\r\n')
  const digits = [...row.keys()].filter((i) => row[i] === 0x30)
  for (let at = 0; at < bytes.length; at += rowBytes) {
    row.copy(bytes, at)
    let value = 0
    for (const [i, digit] of digits.entries()) {
      if (i % 6 === 0) value = random.below(1_000_000)
      bytes[at + digit] = 0x30 + value % 10
      value = Math.floor(value / 10)
    }
  }
  return bytes.subarray(0, size)
}

/** Lines of prose from a stock of sentences, each with a number of its own. */
function textFile(random: Random, size: number): Buffer {
  const stock = Array.from({ length: 200 }, () => sentence(random))
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size;) {
    at += bytes.write(`${random.below(1_000_000)} ${random.pick(stock)}\r\n`, at, 'latin1')
  }
  return bytes
}
