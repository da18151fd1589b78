import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { PathChange } from '../../agent/source/backup-due.ts'
import { systemHints, watchChanges } from '../../agent/source/change-watch.ts'
import type { ChangeWatch, ChangeWatchOptions, HintSource } from '../../agent/source/change-watch.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

interface Bench {
  readonly watch: ChangeWatch
  readonly changes: PathChange[]
  readonly troubles: string[]
  /** The delay of the timer that is set, and what it runs. */
  readonly timer: { delayMs: number, run: () => void } | undefined
  readonly hint: () => void
  readonly clock: { now: number, lookTakesMs: number }
}

/** A watch with a clock that a test sets, a timer that a test rings, and hints that a test gives. */
async function bench(t: TestContext, paths: readonly string[], options: Partial<ChangeWatchOptions> = {}): Promise<Bench> {
  const [changes, troubles] = [[] as PathChange[], [] as string[]]
  const clock = { now: 1000, lookTakesMs: 0 }
  let timer: { delayMs: number, run: () => void } | undefined
  let hint = (): void => undefined
  const hints: HintSource = async (_path, { onHint }) => {
    hint = onHint
    return () => undefined
  }
  const watch = await watchChanges({
    paths,
    pollMs: 60_000,
    now: () => (clock.now += clock.lookTakesMs),
    after: (delayMs, run) => {
      const own = { delayMs, run }
      timer = own
      return () => {
        if (timer === own) timer = undefined
      }
    },
    hints,
    onChange: (change) => changes.push(change),
    onTrouble: (path, error) => troubles.push(`${path}: ${error instanceof Error ? error.message : String(error)}`),
    ...options,
  })
  t.after(() => watch[Symbol.asyncDispose]())
  return {
    watch, changes, troubles, clock,
    get timer() {
      return timer
    },
    hint: () => hint(),
  }
}

test('a file that grows, shrinks, is replaced or is removed changes once each time', async (t) => {
  const path = join(await scratchFolder(t), 'mail.pst')
  writeFileSync(path, 'ten bytes.')
  const { watch, changes, clock } = await bench(t, [path])
  await watch.check()
  const steps: readonly (() => void)[] = [
    () => appendFileSync(path, 'four'),
    () => writeFileSync(path, 'ten bytes.'),
    () => {
      writeFileSync(`${path}.new`, 'ten bytes.')
      renameSync(`${path}.new`, path)
    },
    () => rmSync(path),
    () => writeFileSync(path, 'back'),
  ]
  for (const step of steps) {
    step()
    clock.now += 1
    await watch.check()
    await watch.check()
  }
  assert.deepEqual(changes, [4, 0, 0, 0, 4].map((bytesGrown, i) => ({ path, bytesGrown, changedAt: 1001 + i })))
})

test('anything below a folder counts, excluded entries do not', async (t) => {
  const root = await scratchFolder(t)
  mkdirSync(join(root, 'deep', 'er'), { recursive: true })
  const { watch, changes } = await bench(t, [root], { scan: { exclude: ['*.tmp'] } })
  writeFileSync(join(root, 'deep', 'x.tmp'), 'ignored')
  await watch.check()
  const before = changes.length
  writeFileSync(join(root, 'deep', 'er', 'a'), '12345')
  await watch.check()
  renameSync(join(root, 'deep', 'er', 'a'), join(root, 'deep', 'er', 'b'))
  await watch.check()
  writeFileSync(join(root, 'deep', 'x.tmp'), 'ignored as well')
  await watch.check()
  assert.deepEqual(changes.slice(before).map(({ bytesGrown }) => bytesGrown), [5, 0])
})

test('polls follow each other, and a hint brings the next one forward, once for many hints', async (t) => {
  const path = join(await scratchFolder(t), 'a')
  writeFileSync(path, '')
  const changed = Promise.withResolvers<void>()
  const b = await bench(t, [path], { hintDelayMs: 500, onChange: () => changed.resolve() })
  assert.equal(b.timer?.delayMs, 60_000)
  b.hint()
  const first = b.timer
  assert.equal(first?.delayMs, 500)
  b.hint()
  assert.equal(b.timer, first)
  appendFileSync(path, 'x')
  b.timer?.run()
  await changed.promise
  await b.watch.check()
  assert.equal(b.timer?.delayMs, 60_000)
})

test('a path that takes long to look at rests for twenty times as long, unless the clock is set back', async (t) => {
  const path = join(await scratchFolder(t), 'a')
  writeFileSync(path, '')
  const { watch, changes, clock } = await bench(t, [path])
  clock.lookTakesMs = 10
  appendFileSync(path, 'x')
  await watch.check()
  assert.equal(changes.length, 1)
  clock.lookTakesMs = 0
  appendFileSync(path, 'x')
  clock.now += 199
  await watch.check()
  assert.equal(changes.length, 1)
  clock.now += 1
  await watch.check()
  assert.equal(changes.length, 2)
  appendFileSync(path, 'x')
  clock.now -= 100_000
  await watch.check()
  assert.equal(changes.length, 3)
})

test('lost hints are reported, and polling goes on', async (t) => {
  const path = join(await scratchFolder(t), 'a')
  writeFileSync(path, '')
  const b = await bench(t, [path], { hints: async () => Promise.reject(new Error('no more watches')) })
  assert.deepEqual(b.troubles, [`${path}: no more watches`])
  assert.equal(b.timer?.delayMs, 60_000)
  appendFileSync(path, 'x')
  await b.watch.check()
  assert.equal(b.changes.length, 1)
})

test('a path that is not there yet is watched all the same', async (t) => {
  const path = join(await scratchFolder(t), 'later')
  const b = await bench(t, [path], { hints: systemHints })
  assert.match(b.troubles[0] ?? '', /ENOENT/)
  writeFileSync(path, '123')
  await b.watch.check()
  assert.deepEqual(b.changes.map(({ bytesGrown }) => bytesGrown), [3])
})

test('the system hints at writes to a file and at another file in its place', async (t) => {
  const folder = await scratchFolder(t)
  const path = join(folder, 'a')
  writeFileSync(path, '')
  let hinted = Promise.withResolvers<void>()
  const stop = await systemHints(path, { onHint: () => hinted.resolve(), onLost: (error) => hinted.reject(error) })
  t.after(stop)
  appendFileSync(path, 'x')
  await hinted.promise
  hinted = Promise.withResolvers()
  writeFileSync(`${path}.new`, '')
  renameSync(`${path}.new`, path)
  await hinted.promise
})

test('after disposal no timer is left', async (t) => {
  const path = join(await scratchFolder(t), 'a')
  writeFileSync(path, '')
  const b = await bench(t, [path])
  await b.watch[Symbol.asyncDispose]()
  assert.equal(b.timer, undefined)
  b.hint()
  assert.equal(b.timer, undefined)
})
