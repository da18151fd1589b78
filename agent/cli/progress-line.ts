/** One line of progress on a terminal, rewritten in place; nothing at all when stderr is not one. */
import type { Progress } from '../../shared/api.ts'
import { formatBytes, formatDuration, printable } from './format.ts'

const redrawMs = 100

export class ProgressLine implements Disposable {
  readonly #stream: NodeJS.WriteStream
  readonly #startedMs = performance.now()
  #drawnMs = -Infinity
  #shown = false

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
  }

  readonly update = (progress: Progress): void => {
    const nowMs = performance.now()
    if (!this.#stream.isTTY || nowMs - this.#drawnMs < redrawMs) return
    this.#drawnMs = nowMs
    this.#shown = true
    const line = describe(progress, (nowMs - this.#startedMs) / 1000)
    this.#stream.write(`\r\u001b[2K${line.slice(0, Math.max(20, this.#stream.columns - 1))}`)
  }

  [Symbol.dispose](): void {
    if (this.#shown) this.#stream.write('\r\u001b[2K')
  }
}

function describe(progress: Progress, seconds: number): string {
  const { bytesDone, bytesTotal, filesDone, bytesSent } = progress
  const parts = [progress.stage]
  if (bytesDone !== undefined) {
    const rate = bytesDone / Math.max(seconds, 0.001)
    parts.push(bytesTotal ? `${Math.min(100, Math.floor((bytesDone / bytesTotal) * 100))} %` : '')
    parts.push(formatBytes(bytesDone) + (bytesTotal === undefined ? '' : ` of ${formatBytes(bytesTotal)}`), `${formatBytes(rate)}/s`)
    if (bytesTotal !== undefined && bytesTotal > bytesDone && seconds > 2 && rate > 0) parts.push(`${formatDuration((bytesTotal - bytesDone) / rate)} left`)
  }
  if (filesDone !== undefined) parts.push(`${filesDone} files`)
  if (bytesSent !== undefined && bytesSent > 0) parts.push(`${formatBytes(bytesSent)} sent`)
  if (progress.detail !== undefined) parts.push(printable(progress.detail))
  return parts.filter((part) => part !== '').join('  ')
}
