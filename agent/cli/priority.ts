/** How the agent gives way to what the user does. */
import { readdirSync } from 'node:fs'
import { constants, setPriority } from 'node:os'

/**
 * For all threads, those that start from now on included. Linux knows a priority of each thread alone, and the engine has begun those that
 * compile and collect.
 */
export function lowerPriority(): void {
  lowerEach([process.pid, ...threads()])
}

/** Those that a system knows by id. One that ended meanwhile is no reason to leave out the rest, nor a system that does not let us to not run. */
export function lowerEach(ids: readonly number[]): void {
  for (const id of ids) {
    try {
      setPriority(id, constants.priority.PRIORITY_BELOW_NORMAL)
    } catch {
      // It stays as it is.
    }
  }
}

function threads(): number[] {
  try {
    return process.platform === 'linux' ? readdirSync('/proc/self/task').map(Number) : []
  } catch {
    return []
  }
}
