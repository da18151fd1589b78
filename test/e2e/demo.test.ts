import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { test } from 'node:test'
import { commandLine } from '../support/process-group.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

/** What each step of the story has to say, in its order. */
const story = [
  /^1\. An Outlook archive of 1\.\d MB with \d+ messages\./u,
  /^2\. A work group of 7 agents, each a process of its own/u,
  /^3\. First backup: 1\.\d MB .* protected, 3 more machines may be lost\.$/u,
  /^4\. The archive grows .* protected, 3 more machines may be lost\.$/u,
  /^5\. machine-5, machine-6, machine-7 are gone \(SIGKILL\)\. Restore: .* every byte the same\.$/u,
  /^6\. The owner's machine is lost with its disk\. .* 2 snapshots found on 3 machines, .* every byte the same\. The lost machine is shut out \(epoch 2\)\.$/u,
  /^7\. The three come back; repair checked \d+ objects and made \d+ shards anew: protected, 3 more machines may be lost\.$/u,
  /^8\. The new machine goes on protecting the archive: .* protected, 3 more machines may be lost\.$/u,
  /^9\. 5 colleagues protect a folder of theirs as well; machine-7 has chosen nothing yet/u,
] as const

test('holdfast demo tells its whole story of a small archive, with the figures, and leaves nothing behind', async (t) => {
  const scratch = await scratchFolder(t)
  const { code, stdout, stderr } = await commandLine(['demo', '--size', '1100000', '--exit', '--json'], { environment: { TMPDIR: scratch, TEMP: scratch } })
  assert.equal(code, 0, stderr)
  const told = stderr.split(/[\r\n]+/u).filter((line) => /^\d\. /u.test(line))
  assert.equal(told.length, story.length, stderr)
  for (const [index, step] of story.entries()) assert.match(told[index] as string, step)
  const figures = JSON.parse(stdout) as Record<string, number | string>
  assert.deepEqual([figures['identical'], figures['protection'], figures['recoveredSnapshots']], ['yes', 'protected', 2])
  assert.ok(Number(figures['growthStored']) < Number(figures['growthWritten']))
  assert.deepEqual(await readdir(scratch), [], 'files of the demo')
  if (process.platform !== 'win32') {
    const running = spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).stdout.split('\n')
    assert.ok(running.length > 1)
    assert.deepEqual(running.filter((line) => line.includes(scratch)), [], 'processes of the demo')
  }
})
