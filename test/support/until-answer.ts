/** Asking an agent until the answer is as wanted. */
import { setTimeout as delay } from 'node:timers/promises'

/** Fails after `patienceMs`, with the last answer; `what` names who was asked for what. */
export async function untilAnswer<T>(ask: () => Promise<T>, isWanted: (answer: T) => boolean, { what, patienceMs, everyMs }: { what: string; patienceMs: number; everyMs: number }): Promise<T> {
  const end = performance.now() + patienceMs
  for (;;) {
    const answer = await ask()
    if (isWanted(answer)) return answer
    if (performance.now() > end) throw new Error(`${what} never answered as wanted; at last ${JSON.stringify(answer).slice(0, 2000)}`)
    await delay(everyMs)
  }
}
