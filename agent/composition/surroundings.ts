/** What an agent does not decide itself: time, lots, its disk, and how machines reach each other. A simulation gives its own. */
import { randomBytes } from 'node:crypto'
import type { ConditionsSource } from '../conditions/port.ts'
import { systemConditions } from '../conditions/system.ts'
import { type Clock, systemClock } from '../network/clock.ts'
import type { Door, DoorOptions } from '../network/peer/door.ts'
import { type Dial, dial } from '../network/peer/link.ts'
import type { FolderOptions } from '../network/shard-store/folder.ts'

export type OpenDoor = Pick<Door, 'port' | 'guests'> & AsyncDisposable

export interface Surroundings {
  readonly clock: Clock
  /** Milliseconds that never go back while the machine runs. */
  readonly monotonic: () => number
  /** 0 up to 1, exclusive. */
  readonly random: () => number
  readonly randomBytes: (length: number) => Uint8Array
  readonly dial: Dial
  /** How the machine is used at the moment. */
  readonly conditions: () => ConditionsSource
  readonly openDoor: (options: DoorOptions) => Promise<OpenDoor>
  /** How full the disk is that shards lie on; undefined: the system knows. */
  readonly diskOf?: FolderOptions['diskOf']
}

export const realSurroundings: Surroundings = {
  clock: systemClock, monotonic: () => performance.now(), random: Math.random, randomBytes: (length) => randomBytes(length), dial, conditions: () => systemConditions(),
  openDoor: async (options) => await (await import('../network/peer/door.ts')).Door.open(options), // a single command has none
}
