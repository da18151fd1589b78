/**
 * Speed of the byte kernels on one thread, in MB (10^6 bytes of file or object) per second, best of several rounds:
 * `node bench/kernels.ts`. Copies into and out of WebAssembly memory count where a caller has to make them.
 */
import { randomFillSync } from 'node:crypto'
import { ErasureCoder, shardLength } from '../agent/network/erasure/reed-solomon.ts'
import { ContentDefinedChunker } from '../agent/repository/chunker/content-defined.ts'
import { FixedChunker } from '../agent/repository/chunker/fixed.ts'

const rounds = 15
const levels = [[1, 2], [1, 3], [2, 3], [4, 5], [2, 4], [3, 5], [4, 6], [3, 6]] as const

function measure(name: string, length: number, work: () => void): void {
  let bestSeconds = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    work()
    bestSeconds = Math.min(bestSeconds, (performance.now() - start) / 1_000)
  }
  process.stdout.write(`${name.padEnd(52)} ${(length / 1e6 / bestSeconds).toFixed(0).padStart(7)} MB/s\n`)
}

function measureChunkers(): void {
  const chunker = new ContentDefinedChunker(randomFillSync(new Uint8Array(32)))
  const { window } = chunker
  const outside = randomFillSync(new Uint8Array(window.length))
  measure('content-defined, copied into the window', outside.length, () => chunker.cut(outside, true))
  randomFillSync(window)
  measure('content-defined, read into the window', window.length, () => chunker.cut(window, true))
  const fixed = new FixedChunker()
  measure('zero test of 16 KiB chunks of zeros', fixed.window.length, () => {
    for (let at = 0; at < fixed.window.length; at += fixed.maxLength) fixed.isZero(at, fixed.maxLength)
  })
}

function measureErasure(): void {
  const coder = new ErasureCoder()
  const data = randomFillSync(new Uint8Array(16_777_216))
  for (const [k, n] of levels) {
    measure(`encode ${k}+${n - k}, object of 16 MiB`, data.length, () => coder.encodeParity({ data, k, n }))
  }
  for (const [k, n] of levels) {
    const length = shardLength(data.length, k)
    const available = coder.encodeParity({ data: new Uint8Array(k * length), k, n }).slice(-k)
      .map((bytes, index, { length: count }) => ({ number: n - count + index, bytes }))
    for (let number = k - 1; available.length < k; number--) available.push({ number, bytes: new Uint8Array(length) })
    const given = new Set(available.map(({ number }) => number))
    const wanted = Array.from({ length: k }, (_, number) => number).filter((number) => !given.has(number))
    measure(`rebuild ${wanted.length} of ${k}+${n - k}, object of 16 MiB`, data.length, () => coder.reconstruct({ k, wanted, available }))
  }
}

measureChunkers()
measureErasure()
