import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { WindowsShadowCopies, mayMakeShadowCopies } from '../../agent/source/shadow-copies.ts'
import { hasCode } from '../../shared/errors.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

const signal = new AbortController().signal

/** A program in the place of PowerShell: notes what it is asked, answers as the script of that verb. */
async function windows(t: TestContext, answers: { make?: object, remove?: object | string, rights?: object }) {
  const folder = await scratchFolder(t)
  const log = join(folder, 'asked.jsonl')
  const program = join(folder, 'windows.mjs')
  await writeFile(log, '')
  await writeFile(program, `import { appendFileSync, readFileSync } from 'node:fs'
    const request = JSON.parse(readFileSync(0, 'utf8'))
    appendFileSync(${JSON.stringify(log)}, JSON.stringify({ ...request, script: process.argv[2].split('/').at(-1) }) + '\\n')
    const answer = ${JSON.stringify(answers)}[request.verb] ?? { outcome: 'removed' }
    process.stdout.write(typeof answer === 'string' ? answer : JSON.stringify(answer))`)
  let recorded: string | undefined
  const record = { read: () => recorded, write: (text: string) => { recorded = text } }
  return {
    command: [process.execPath, program], record, recorded: () => recorded,
    asked: async () => (await readFile(log, 'utf8')).trim().split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, string>),
  }
}

const id = '{0A1B2C3D-1111-2222-3333-444455556666}'
const made = { outcome: 'made', id, volume: 'C:\\', device: '\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy7' }

test('one shadow copy serves all locked files of a volume, is on record while it is there, and is removed at the end', async (t) => {
  const { command, record, recorded, asked } = await windows(t, { make: made })
  {
    await using copies = new WindowsShadowCopies({ command, record })
    const paths = await Promise.all(['C:\\Mail\\a.pst', 'c:\\Mail\\b.pst'].map(async (path) => await copies.pathOf(path, signal)))
    assert.deepEqual(paths, [`${made.device}\\Mail\\a.pst`, `${made.device}\\Mail\\b.pst`])
    assert.deepEqual(JSON.parse(recorded() ?? ''), [id])
  }
  assert.deepEqual((await asked()).map(({ verb, script }) => [verb, script]), [['make', 'shadow-copy.ps1'], ['remove', 'shadow-copy.ps1']])
  assert.deepEqual(JSON.parse(recorded() ?? ''), [])
})

test('what a killed run left is removed at the next start, and stays on record while Windows refuses', async (t) => {
  const { command, record, recorded } = await windows(t, { remove: { outcome: 'failed', problem: 'busy' } })
  record.write(JSON.stringify([id]))
  await new WindowsShadowCopies({ command, record }).removeLeftovers()
  assert.deepEqual(JSON.parse(recorded() ?? ''), [id])
  const later = await windows(t, {})
  await new WindowsShadowCopies({ command: later.command, record }).removeLeftovers()
  assert.deepEqual([await later.asked(), JSON.parse(recorded() ?? '')], [[{ verb: 'remove', id, script: 'shadow-copy.ps1' }], []])
})

for (const [what, make, words] of [
  ['the agent may not', { outcome: 'denied' }, /highest privileges/],
  ['the volume has none', { outcome: 'no-volume' }, /no shadow copies where it lies/],
  ['there is no space', { outcome: 'no-space' }, /free space/],
  ['Windows fails', { outcome: 'failed', problem: 'Windows answers 12' }, /Windows answers 12/],
  ['the answer is no path of a shadow copy', { ...made, device: 'C:\\Windows' }, /did not answer as it should/],
  ['the file is on another volume below a folder', { ...made, volume: 'C:\\Data\\' }, /no shadow copies where it lies/],
] as const) {
  test(`when ${what}, a locked file is unreadable and it is said what to do`, async (t) => {
    const { command, record } = await windows(t, { make })
    await using copies = new WindowsShadowCopies({ command, record })
    await assert.rejects(copies.pathOf('C:\\Mail\\a.pst', signal), (error) => hasCode(error, 'file-unreadable') && words.test(error.message) && /Mail/.test(error.message))
  })
}

test('network paths have no shadow copies, and Windows is not asked', async (t) => {
  const { command, record, asked } = await windows(t, { make: made })
  await using copies = new WindowsShadowCopies({ command, record })
  await assert.rejects(copies.pathOf('\\\\server\\mail\\a.pst', signal), (error) => hasCode(error, 'file-unreadable'))
  assert.deepEqual(await asked(), [])
})

test('whether the agent may make shadow copies is found out, or left open', async (t) => {
  const yes = await windows(t, { rights: { outcome: 'rights', elevated: true } })
  const no = await windows(t, { rights: { outcome: 'rights', elevated: false } })
  assert.deepEqual([await mayMakeShadowCopies(signal, yes.command), await mayMakeShadowCopies(signal, no.command), await mayMakeShadowCopies(signal, ['/no/such/program'])], [true, false, undefined])
})
