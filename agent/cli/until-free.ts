/** A command that finds its home taken waits a little: an agent that is just starting says soon where it is. */
import { hasCode } from '../../shared/errors.ts'

const patienceMs = 20_000
const everyMs = 250

/** Tries until the home is not in use, for 20 s. Rejects with what `attempt` does, or what `pause` rejects with. */
export async function untilFree<T>(attempt: () => Promise<T>, pause: (ms: number) => Promise<unknown>): Promise<T> {
  for (let waitedMs = 0; ; waitedMs += everyMs) {
    try {
      return await attempt()
    } catch (error) {
      if (!hasCode(error, 'in-use') || waitedMs >= patienceMs) throw error
      await pause(everyMs)
    }
  }
}
