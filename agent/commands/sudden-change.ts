/** Whether holders may take for an erasure what the owner does himself (network/shard-store/retention.ts). */
import { freezeFromBytes, freezeShare } from '../network/shard-store/retention.ts'
import type { Backup } from './context.ts'

/** Bytes of all objects that the newest head keeps alive. */
export function liveBytesOf({ repository }: Backup): number {
  return repository.head?.document.live.bytes ?? 0
}

/** Of objects; each holder judges by the shards that it has, so this is about so. */
export function mayFreeze(droppedBytes: number, liveBytes: number): boolean {
  return droppedBytes >= freezeFromBytes && droppedBytes > liveBytes * freezeShare
}
