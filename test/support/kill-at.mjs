/**
 * Preloaded with `--import` into a process under test: counts what makes a crash visible (writes, fsyncs, renames,
 * links, database statements, bytes given to sockets) and kills the process with SIGKILL just before the n-th.
 * Such a step has a place: what is called, and the function of the agent that calls it.
 *
 * HOLDFAST_TEST_KILL_AT=`n place` kills before the n-th step at that place.
 * HOLDFAST_TEST_STEPS=FILE writes the place of each step there, a line each, in their order.
 * HOLDFAST_TEST_KILL_FILE=FILE: at each SIGUSR2 the count begins anew, and ends at the number that stands in FILE (0: never);
 * the answer, in FILE.counted, is how far the one before had come. For a process that is to die in the middle of its life.
 * Workers load it too and share the count, so n numbers the steps of the whole process.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import { DatabaseSync, StatementSync } from 'node:sqlite'
import { isMainThread, setEnvironmentData, getEnvironmentData } from 'node:worker_threads'

if (isMainThread) setEnvironmentData('steps', new SharedArrayBuffer(8))
/** Steps so far, and the one to die at. */
const steps = new Int32Array(getEnvironmentData('steps'))
const [, killAt, killPlace] = /^(\d+) (.*)$/.exec(process.env.HOLDFAST_TEST_KILL_AT ?? '') ?? []
if (isMainThread) steps[1] = Number(killAt ?? 0)

const { readFileSync, writeFileSync, writeSync } = fs
const list = process.env.HOLDFAST_TEST_STEPS === undefined ? undefined : fs.openSync(process.env.HOLDFAST_TEST_STEPS, 'a')
const agent = new URL('../../agent/', import.meta.url).href

/** Such as `fs.renameSync home.ts writePrivateFile`; of what a library calls, the nearest caller of ours, or none. */
function placeOf(call) {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 60
  const frame = new Error().stack.split('\n').find((line) => line.includes(agent)) ?? ''
  Error.stackTraceLimit = stackTraceLimit
  const path = frame.slice(frame.indexOf(agent) + agent.length).replace(/:\d+:\d+\)?$/, '')
  const [, name = ''] = /at (?:async )?(.*?) \(/.exec(frame) ?? []
  return `${call} ${path} ${name}`.trim()
}

function step(call) {
  if (list === undefined && killPlace !== undefined && !killPlace.startsWith(call)) return // cheaper than to look where we are
  if (list !== undefined || killPlace !== undefined) {
    const place = placeOf(call)
    if (list !== undefined) writeSync(list, `${place}\n`)
    if (killPlace !== undefined && place !== killPlace) return
  }
  if (Atomics.add(steps, 0, 1) + 1 !== Atomics.load(steps, 1)) return
  process.kill(process.pid, 'SIGKILL')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}

const killFile = process.env.HOLDFAST_TEST_KILL_FILE
if (isMainThread && killFile !== undefined) {
  process.on('SIGUSR2', () => {
    const next = Number(readFileSync(killFile, 'utf8'))
    Atomics.store(steps, 1, 0)
    const counted = Atomics.exchange(steps, 0, 0)
    Atomics.store(steps, 1, next)
    writeFileSync(`${killFile}.counted`, String(counted))
  })
}

function count(target, label, names) {
  for (const name of names) {
    const original = target[name]
    target[name] = function counted(...parameters) {
      step(`${label}.${name}`)
      return original.apply(this, parameters)
    }
  }
}

count(fs, 'fs', ['writeSync', 'writevSync', 'fsyncSync', 'fdatasyncSync', 'renameSync', 'linkSync', 'unlinkSync', 'rmSync', 'ftruncateSync', 'writeFileSync', 'rename', 'fsync', 'fdatasync', 'write'])
count(fs.promises, 'promises', ['rename', 'link', 'unlink', 'rm', 'writeFile', 'utimes', 'chmod', 'symlink', 'mkdir'])
const handle = await fs.promises.open(new URL(import.meta.url), 'r')
count(Object.getPrototypeOf(handle), 'file', ['write', 'sync', 'datasync', 'truncate', 'writeFile'])
await handle.close()
count(DatabaseSync.prototype, 'database', ['exec'])
count(StatementSync.prototype, 'statement', ['run'])
count(net.Socket.prototype, 'socket', ['write'])
syncBuiltinESMExports()
