/** When a thread has ended by itself. Threads here are never terminated: see capture-worker.ts. */
import type { Worker } from 'node:worker_threads'

export async function endOf(worker: Worker): Promise<void> {
  await new Promise<void>((resolve) => { worker.once('exit', () => resolve()) })
}
