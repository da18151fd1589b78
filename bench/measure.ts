/** Wall time, CPU seconds and peak memory of processes, read from /proc (Linux). */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'

export interface Cost {
  readonly seconds: number
  /** User and system time of the process and the children it waited for. */
  readonly cpuSeconds: number
  readonly peakMiB: number
}

const ticksPerSecond = 100
const pollMs = 20

/** Runs a command to its end. Throws with its stderr when it fails. */
export async function measureCommand(command: string, args: readonly string[], environment: Record<string, string> = {}): Promise<Cost> {
  const started = performance.now()
  // bash's `time` counts the CPU seconds of a child that has ended, which /proc cannot.
  const child = spawn('bash', ['-c', 'TIMEFORMAT="cpu %U %S"; time "$@"', 'bash', command, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...environment },
  })
  let errors = ''
  child.stderr.on('data', (data) => { errors += String(data) })
  let peakMiB = 0
  const timer = setInterval(() => { peakMiB = Math.max(peakMiB, peakOfChildren(child.pid ?? 0)) }, pollMs)
  const [code] = await once(child, 'close') as [number]
  clearInterval(timer)
  const seconds = (performance.now() - started) / 1000
  const cpu = /cpu ([\d.]+) ([\d.]+)\s*$/.exec(errors)
  if (code !== 0 || cpu === null) throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${errors.slice(-1000)}`)
  return { seconds, cpuSeconds: Number(cpu[1]) + Number(cpu[2]), peakMiB }
}

function peakOfChildren(parent: number): number {
  try {
    const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim().split(' ').filter((pid) => pid !== '')
    return Math.max(0, ...children.map((pid) => peakMiBOf(Number(pid))))
  } catch {
    return 0 // it ended between two looks
  }
}

/** Peak resident memory since the start or the last resetPeak. */
export function peakMiBOf(pid: number): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
}

export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

export function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
