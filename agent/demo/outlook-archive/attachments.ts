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
const pageRows = 100

/** Most files are small; one in two hundred has several MB. */
export function planAttachment(random: Random): AttachmentPlan {
  const share = random.next()
  const kind = share < 0.57 ? 'packed' : share < 0.87 ? 'table' : 'text'
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

/** A ledger that comes again page by page, each row with a number of its own. */
function tableFile(random: Random, size: number): Buffer {
  const rows = Array.from({ length: pageRows }, () => ledgerRow(random))
  const page = Buffer.from(rows.join(''), 'latin1')
  const rowBytes = rows[0]!.length
  const bytes = Buffer.alloc(Math.ceil(size / page.length) * page.length)
  for (let at = 0; at < bytes.length; at += rowBytes) {
    if (at % page.length === 0) page.copy(bytes, at)
    let value = random.below(1_000_000_000)
    for (let digit = 0; digit < 9; digit++) {
      bytes[at + digit] = 0x30 + value % 10
      value = Math.floor(value / 10)
    }
  }
  return bytes.subarray(0, size)
}

/** All rows have the same length. */
function ledgerRow(random: Random): string {
  const number = (digits: number): string => String(random.below(10 ** digits)).padStart(digits, '0')
  const place = random.pick(['Hamburg ', 'Lyon    ', 'Gdansk  ', 'Porto   '])
  return `${number(9)};PO-${number(5)};item ${number(4)};${place};pieces ${number(3)};EUR ${number(5)}.${number(2)}\r\n`
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
