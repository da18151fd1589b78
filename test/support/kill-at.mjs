/**
 * Preloaded with `--import` into a process under test: counts what makes a crash visible (writes, fsyncs, renames,
 * links, database statements, bytes given to sockets) and kills the process with SIGKILL just before the n-th.
 *
 * HOLDFAST_TEST_KILL_AT=n kills; HOLDFAST_TEST_COUNT=FILE writes the total there when the process ends by itself.
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
if (isMainThread) steps[1] = Number(process.env.HOLDFAST_TEST_KILL_AT ?? 0)

function step() {
  if (Atomics.add(steps, 0, 1) + 1 !== Atomics.load(steps, 1)) return
  process.kill(process.pid, 'SIGKILL')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}

const { readFileSync, writeFileSync } = fs
const killFile = process.env.HOLDFAST_TEST_KILL_FILE
if (isMainThread && killFile !== undefined) {
  process.on('SIGUSR2', () => {
    const killAt = Number(readFileSync(killFile, 'utf8'))
    Atomics.store(steps, 1, 0)
    const counted = Atomics.exchange(steps, 0, 0)
    Atomics.store(steps, 1, killAt)
    writeFileSync(`${killFile}.counted`, String(counted))
  })
}

function count(target, names) {
  for (const name of names) {
    const original = target[name]
    target[name] = function counted(...parameters) {
      step()
      return original.apply(this, parameters)
    }
  }
}

count(fs, ['writeSync', 'writevSync', 'fsyncSync', 'fdatasyncSync', 'renameSync', 'linkSync', 'unlinkSync', 'rmSync', 'ftruncateSync', 'writeFileSync', 'rename', 'fsync', 'fdatasync', 'write'])
count(fs.promises, ['rename', 'link', 'unlink', 'rm', 'writeFile', 'utimes', 'chmod', 'symlink', 'mkdir'])
const handle = await fs.promises.open(new URL(import.meta.url), 'r')
count(Object.getPrototypeOf(handle), ['write', 'sync', 'datasync', 'truncate', 'writeFile'])
await handle.close()
count(DatabaseSync.prototype, ['exec'])
count(StatementSync.prototype, ['run'])
count(net.Socket.prototype, ['write'])
syncBuiltinESMExports()

if (isMainThread && process.env.HOLDFAST_TEST_COUNT !== undefined) {
  process.on('exit', () => fs.writeFileSync(process.env.HOLDFAST_TEST_COUNT, String(Atomics.load(steps, 0))))
}
