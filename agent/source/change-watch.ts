/**
 * Notices that protected paths change or grow.
 *
 * The state of each path (path-state.ts) is looked at in turns: every `pollMs`, and `hintDelayMs` after the operating
 * system says that something moved. What the system says is only a hint: it may be missing (network drives, watch
 * limits), doubled, or of no importance; the state decides. A folder is looked at whole, so the turns are spaced such
 * that looking takes at most a twentieth of the time.
 *
 * The first look is the baseline: changes before it, while the agent was not running, are the schedule's business.
 * On Linux hints come for the folder itself and not for those below, where watching each would cost the most.
 */
import { watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import { stat } from 'node:fs/promises'
import type { PathChange } from './backup-due.ts'
import { readPathState } from './path-state.ts'
import type { PathState } from './path-state.ts'
import type { ScanOptions } from './tree-scan.ts'

/** Tells of possible changes at a path. Returns how to stop; `onLost` is called at most once, when hints end. */
export type HintSource = (
  path: string, listener: { onHint: () => void, onLost: (error: unknown) => void },
) => Promise<() => void>

export interface ChangeWatchOptions {
  readonly paths: readonly string[]
  readonly pollMs: number
  /** Default 1000. */
  readonly hintDelayMs?: number
  readonly scan?: Omit<ScanOptions, 'signal'>
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Calls `run` once after so many milliseconds; returns how to call it off. */
  readonly after: (delayMs: number, run: () => void) => () => void
  /** Default systemHints. */
  readonly hints?: HintSource
  readonly onChange: (change: PathChange) => void
  /** A path whose hints ended (polling goes on), or a look at it that failed (the next turn looks again). */
  readonly onTrouble: (path: string, error: unknown) => void
}

interface Watched {
  readonly path: string
  state: PathState
  lookedAt: number
  /** Not looked at again before it rested for this long. */
  restMs: number
  stopHints: () => void
}

const restFactor = 20

function restOf(startedAt: number, endedAt: number): number {
  return restFactor * Math.max(0, endedAt - startedAt)
}

/** A clock that was set back ends the rest. */
function rests(watched: Watched, now: number): boolean {
  return now >= watched.lookedAt && now < watched.lookedAt + watched.restMs
}

/** Takes the baseline of every path and starts watching. Dispose of it to stop; that waits for a look in progress. */
export async function watchChanges(options: ChangeWatchOptions): Promise<ChangeWatch> {
  const watched: Watched[] = []
  for (const path of options.paths) {
    const startedAt = options.now()
    const state = await readPathState(path, options.scan ?? {})
    const lookedAt = options.now()
    watched.push({ path, state, lookedAt, restMs: restOf(startedAt, lookedAt), stopHints: () => undefined })
  }
  const changeWatch = new ChangeWatch(watched, options)
  await changeWatch.start()
  return changeWatch
}

export class ChangeWatch implements AsyncDisposable {
  readonly #watched: readonly Watched[]
  readonly #options: ChangeWatchOptions
  readonly #abort = new AbortController()
  #cancelTimer: () => void = () => undefined
  #turn: Promise<void> = Promise.resolve()
  #hinted = false

  constructor(watched: readonly Watched[], options: ChangeWatchOptions) {
    this.#watched = watched
    this.#options = options
  }

  async start(): Promise<void> {
    const hints = this.#options.hints ?? systemHints
    for (const each of this.#watched) {
      const onLost = (error: unknown): void => this.#options.onTrouble(each.path, error)
      try {
        each.stopHints = await hints(each.path, { onHint: () => this.#hint(), onLost })
      } catch (error) {
        onLost(error)
      }
    }
    this.#schedule(this.#options.pollMs)
  }

  /** Looks at every path that does not rest; one look at a time. */
  async check(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#lookAtAll())
    await this.#turn
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort()
    this.#cancelTimer()
    for (const each of this.#watched) each.stopHints()
    await this.#turn
  }

  /** The first of several hints sets the time of the next look. */
  #hint(): void {
    if (this.#hinted) return
    this.#hinted = true
    this.#schedule(this.#options.hintDelayMs ?? 1000)
  }

  #schedule(delayMs: number): void {
    this.#cancelTimer()
    if (this.#abort.signal.aborted) return
    this.#cancelTimer = this.#options.after(delayMs, () => {
      this.#hinted = false
      void this.#checkAndSchedule()
    })
  }

  async #checkAndSchedule(): Promise<void> {
    await this.check()
    if (!this.#hinted) this.#schedule(this.#options.pollMs)
  }

  async #lookAtAll(): Promise<void> {
    for (const each of this.#watched) {
      if (this.#abort.signal.aborted) return
      if (rests(each, this.#options.now())) continue
      try {
        await this.#look(each)
      } catch (error) {
        if (!this.#abort.signal.aborted) this.#options.onTrouble(each.path, error)
      }
    }
  }

  async #look(watched: Watched): Promise<void> {
    const startedAt = this.#options.now()
    const before = watched.state
    const state = await readPathState(watched.path, { ...this.#options.scan, signal: this.#abort.signal })
    const changedAt = this.#options.now()
    watched.state = state
    watched.lookedAt = changedAt
    watched.restMs = restOf(startedAt, changedAt)
    if (state.digest === before.digest) return
    this.#options.onChange({ path: watched.path, bytesGrown: Math.max(0, state.bytes - before.bytes), changedAt })
  }
}

/**
 * Hints of the operating system. A file is watched through its folder, so that a file put in its place by rename is
 * noticed too. Throws what the system says when it cannot watch.
 */
export const systemHints: HintSource = async (path, { onHint, onLost }) => {
  const isFolder = (await stat(path)).isDirectory()
  const recursive = isFolder && process.platform !== 'linux'
  const watcher = watch(isFolder ? path : dirname(path), { recursive, persistent: false })
  watcher.on('change', (_kind, name) => {
    if (isFolder || name === null || name === undefined || String(name) === basename(path)) onHint()
  })
  watcher.once('error', (error) => {
    watcher.close()
    onLost(error)
  })
  return () => watcher.close()
}
