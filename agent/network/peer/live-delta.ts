/** Live lists (docs/format.md section 7) as differences: a head after a small backup names almost the same objects. */
import { liveEntryLength } from '../published-head.ts'

export interface LiveDelta {
  /** Entries that are new, and entries that are gone; each ascending. */
  readonly add: Uint8Array
  readonly drop: Uint8Array
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** What turns the ascending list `from` into the ascending list `to`. */
export function diffLive(from: Uint8Array, to: Uint8Array): LiveDelta {
  const [old, now] = [viewOf(from), viewOf(to)]
  const add: Buffer[] = []
  const drop: Buffer[] = []
  for (let a = 0, b = 0; a < old.length || b < now.length;) {
    const [left, right] = [old.subarray(a, a + liveEntryLength), now.subarray(b, b + liveEntryLength)]
    const order = left.length === 0 ? 1 : right.length === 0 ? -1 : Buffer.compare(left, right)
    if (order < 0) drop.push(left)
    if (order > 0) add.push(right)
    if (order <= 0) a += liveEntryLength
    if (order >= 0) b += liveEntryLength
  }
  return { add: Buffer.concat(add), drop: Buffer.concat(drop) }
}

/** The list that diffLive() was made for; anything else when the delta does not fit (the head's hash tells). */
export function applyLive(from: Uint8Array, { add, drop }: LiveDelta): Uint8Array {
  const [old, more, less] = [viewOf(from), viewOf(add), viewOf(drop)]
  const list = Buffer.alloc(old.length + more.length)
  let length = 0
  for (let a = 0, b = 0, gone = 0; a < old.length || b < more.length;) {
    const isMore = a >= old.length || (b < more.length && compareEntries(more, b, old, a) < 0)
    if (isMore) {
      length += more.copy(list, length, b, b + liveEntryLength)
      b += liveEntryLength
      continue
    }
    while (gone < less.length && compareEntries(less, gone, old, a) < 0) gone += liveEntryLength
    const isGone = gone < less.length && compareEntries(less, gone, old, a) === 0
    if (!isGone) length += old.copy(list, length, a, a + liveEntryLength)
    a += liveEntryLength
  }
  return list.subarray(0, length)
}

/** Of the entry of `one` at `a` and that of `other` at `b`. */
function compareEntries(one: Buffer, a: number, other: Buffer, b: number): number {
  return one.compare(other, b, b + liveEntryLength, a, a + liveEntryLength)
}
