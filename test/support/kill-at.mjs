/**
 * Preloaded with `--import` into a process under test: counts what makes a crash visible (writes, fsyncs, renames,
 * links, database statements, bytes given to sockets) and kills the process with SIGKILL just before the n-th.
 *
 * HOLDFAST_TEST_KILL_AT=n kills; HOLDFAST_TEST_COUNT=FILE writes the total there when the process ends by itself.
 * Workers load it too and share the count, so n numbers the steps of the whole process.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import { DatabaseSync, StatementSync } from 'node:sqlite'
import { isMainThread, setEnvironmentData, getEnvironmentData } from 'node:worker_threads'

if (isMainThread) setEnvironmentData('steps', new SharedArrayBuffer(4))
const steps = new Int32Array(getEnvironmentData('steps'))
const killAt = Number(process.env.HOLDFAST_TEST_KILL_AT ?? 0)

function step() {
  if (Atomics.add(steps, 0, 1) + 1 !== killAt) return
  process.kill(process.pid, 'SIGKILL')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
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
