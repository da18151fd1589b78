/**
 * What a machine that leaves keeps for others goes to other machines first. Needs no key and no owner: shards travel as
 * they are, under the header that their writer signed.
 *
 * For each object the others are asked which of its shards they have, so that no host gets a second one, nor the owner's own; a shard that lies
 * elsewhere too is safe already. The rest is offered to the hosts without one, those with most room first, until one takes
 * it. What was handed over within a week to a machine that is off now, and not gone, is safe there, unless
 * that has said since that it has it no more; not on one that is there and cannot say. The owner finds it when it next asks the holders.
 */
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import type { MachineId, OwnerId } from '../../shared/ids.ts'
import type { ObjectId } from '../object-store.ts'
import type { HandedShards } from './handed-shards.ts'
import { parseHeader } from './shard.ts'
import type { HolderAccounts, ShardEntry, ShardStore } from './shard-store/port.ts'
import { forEachBounded, throwIfCancelled } from './slots.ts'

const objectsAtOnce = 2
/** Headers in one question: Socket.IO ends a link that sends more binaries than that in one message. */
export const maxAsked = 10

/** A machine that may take shards over. */
export interface Heir {
  readonly id: MachineId
  readonly host: string
  /** Bytes that it offers. */
  readonly offer: number
  /** Whose data is on it: a copy there would be lost together with the original. */
  readonly owners: readonly OwnerId[]
}

export interface HandoverParts {
  readonly store: ShardStore & Pick<HolderAccounts, 'accounts'>
  /** Who is there now and stays: asked anew for each object. */
  readonly heirs: () => readonly Heir[]
  /** Which shards of each object the machine has; the headers prove that they are asked for by a holder. */
  readonly numbersAt: (id: MachineId, owner: OwnerId, headers: readonly Uint8Array[], signal: AbortSignal) => Promise<readonly (readonly number[])[]>
  readonly storeOf: (id: MachineId, signal: AbortSignal) => Promise<ShardStore>
  /** Of this time, and of those before that ended without leaving. */
  readonly handed: HandedShards
  /** Whether a machine that does not answer now counts on. */
  readonly isAway: (id: MachineId) => boolean
}

export interface HandoverProgress {
  readonly bytesDone: number
  readonly bytesTotal: number
}

export interface HandoverReport {
  readonly shards: number
  readonly handedOver: number
  /** Lay on another machine too. */
  readonly safe: number
  readonly bytesSent: number
  /** Nobody took them: those of them that machines without a part of the object refused, and how the worst off object stands without them; undefined when none is known. */
  readonly kept: number
  readonly refused: number
  readonly worst: KeptObject | undefined
}

/** Of an object of which a shard goes nowhere: shards of other numbers on the machines that answered, and how many it takes of how many. */
export interface KeptObject {
  readonly left: number
  readonly k: number
  readonly n: number
}

interface Item {
  readonly entry: ShardEntry
  readonly header: Uint8Array
  readonly leaves: Uint8Array
  readonly bytes: number
  readonly k: number
  readonly n: number
}

/** Rejects with the signal's reason; what was handed over by then stays where it is. */
export async function handOver(parts: HandoverParts, options: { signal: AbortSignal; onProgress: (progress: HandoverProgress) => void }): Promise<HandoverReport> {
  try {
    return await handAllOver(parts, options)
  } finally {
    parts.handed.save()
  }
}

async function handAllOver(parts: HandoverParts, { signal, onProgress }: { signal: AbortSignal; onProgress: (progress: HandoverProgress) => void }): Promise<HandoverReport> {
  const owners = parts.store.accounts()
  const bytesTotal = owners.reduce((sum, { used }) => sum + used, 0)
  const report = { shards: 0, handedOver: 0, safe: 0, bytesSent: 0, kept: 0, refused: 0, worst: undefined as KeptObject | undefined }
  let bytesDone = 0
  for (const { owner } of owners) {
    const entries = await Array.fromAsync(parts.store.list(owner, { signal }))
    for (let at = 0; at < entries.length; at += maxAsked) {
      throwIfCancelled(signal)
      const items = await Promise.all(entries.slice(at, at + maxAsked).map(async (entry) => await itemOf(parts.store, entry)))
      const known = items.filter((item) => item !== undefined)
      const where = await placesOf(parts, owner, known, signal)
      await forEachBounded(known, objectsAtOnce, async (item) => {
        const sent = await passOn(parts, item, where, signal)
        report.shards++
        if (sent === 'safe') report.safe++
        else if (sent === 'occupied' || sent === 'refused') {
          const { k, n } = item
          const left = new Set([...where.known.values()].flatMap((objects) => [...objects.get(item.entry.id) ?? []])).size
          report.kept++
          if (sent === 'refused') report.refused++
          if (report.worst === undefined || left - k < report.worst.left - report.worst.k) report.worst = { left, k, n }
        } else {
          report.handedOver++
          report.bytesSent += sent
        }
        bytesDone += item.bytes
        onProgress({ bytesDone, bytesTotal: Math.max(bytesTotal, bytesDone) })
      })
      report.kept += items.length - known.length
      parts.handed.saveNowAndThen()
    }
  }
  return report
}

/** Undefined for what cannot be read here: others have to make it good. */
async function itemOf(store: ShardStore, entry: ShardEntry): Promise<Item | undefined> {
  try {
    const { header, leaves } = await store.open(entry)
    const { shardLength: bytes, k, n } = parseHeader(header)
    return { entry, header, leaves, bytes, k, n }
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error
    return undefined
  }
}

interface Places {
  /** Which shards of each object the machines have that said so. */
  readonly known: ReadonlyMap<MachineId, ReadonlyMap<ObjectId, Set<number>>>
  /** They are there, and answered with an error. */
  readonly unsure: ReadonlySet<MachineId>
}

/** Who does not say what it has gets nothing. */
async function placesOf({ heirs, numbersAt }: HandoverParts, owner: OwnerId, items: readonly Item[], signal: AbortSignal): Promise<Places> {
  const known = new Map<MachineId, Map<ObjectId, Set<number>>>()
  const unsure = new Set<MachineId>()
  await Promise.all(heirs().map(async ({ id }) => {
    try {
      const numbers = await numbersAt(id, owner, items.map(({ header }) => header), signal)
      known.set(id, new Map(items.map(({ entry }, at) => [entry.id, new Set(numbers[at])])))
    } catch (error) {
      throwIfCancelled(signal)
      if (!(error instanceof HoldfastError)) throw error
      if (!hasCode(error, 'peer-unreachable', 'timeout')) unsure.add(id)
    }
  }))
  return { known, unsure }
}

/** Bytes that travelled; `safe` when it lies elsewhere too; when nobody takes it, whether anybody could have. */
async function passOn({ heirs, store, storeOf, handed, isAway }: HandoverParts, { entry, header, leaves, bytes }: Item, { known: places, unsure }: Places, signal: AbortSignal): Promise<number | 'safe' | 'occupied' | 'refused'> {
  if ([...places.values()].some((objects) => objects.get(entry.id)?.has(entry.number) === true)) return 'safe'
  const before = handed.machineOf(entry)
  if (before !== undefined && places.has(before)) handed.forget(entry)
  else if (before !== undefined && isAway(before) && !unsure.has(before)) return 'safe'
  const there = heirs().filter(({ id }) => places.has(id))
  const taken = new Set(there.filter(({ id, owners }) => owners.includes(entry.owner) || (places.get(id)?.get(entry.id)?.size ?? 0) > 0).map(({ host }) => host))
  const free = there.filter(({ host }) => !taken.has(host)).sort((a, b) => b.offer - a.offer)
  for (const { id } of free) {
    throwIfCancelled(signal)
    const numbers = places.get(id)?.get(entry.id)
    numbers?.add(entry.number) // another shard of the object may be on its way at the same time
    try {
      const other = await storeOf(id, signal)
      const sent = await other.put({ owner: entry.owner, id: entry.id, number: entry.number, header, leaves, bytes: await store.read(entry, 0, bytes) }, { signal })
      handed.took(entry, id)
      return sent
    } catch (error) {
      numbers?.delete(entry.number)
      throwIfCancelled(signal)
      if (!(error instanceof HoldfastError)) throw error
    }
  }
  return free.length === 0 ? 'occupied' : 'refused'
}
