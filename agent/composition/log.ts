/** Structured log: one JSON line an event, ids shortened, no secrets and no file contents. */
import { appendFileSync, renameSync, statSync } from 'node:fs'
import { shortId } from '../../shared/ids.ts'
import { HoldfastError } from '../../shared/errors.ts'

const longestBytes = 8 * 1024 * 1024

export type Log = (event: string, fields?: Readonly<Record<string, unknown>>) => void

/** Appends to a file that is set aside at 8 MiB (one older one is kept). A log that cannot be written stops nothing. */
export function fileLog(path: string, now: () => number): Log {
  return (event, fields = {}) => {
    const shown = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, plain(value)]))
    try {
      if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > longestBytes) renameSync(path, `${path}.1`)
      appendFileSync(path, `${JSON.stringify({ time: new Date(now()).toISOString(), event, ...shown })}\n`, { mode: 0o600 })
    } catch (error) {
      process.stderr.write(`holdfast: cannot write the log ${path}: ${(error as Error).message}\n`)
    }
  }
}

function causeOf({ cause }: Error): object {
  return cause instanceof Error ? { cause: plain(cause) } : {}
}

function plain(value: unknown): unknown {
  if (value instanceof HoldfastError) return { code: value.code, message: value.message, details: value.details, ...causeOf(value) }
  if (value instanceof Error) return { message: value.message, stack: value.stack?.split('\n').slice(0, 6), ...causeOf(value) }
  if (typeof value === 'string' && /^[0-9a-f]{64}$|^[A-Za-z0-9_-]{43}$/.test(value)) return shortId(value)
  return value
}
