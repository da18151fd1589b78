/** The way of Windows to Outlook, up to the call of PowerShell: what is asked, and what is made of each answer. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { systemOutlook } from '../../agent/outlook/system.ts'
import { WindowsOutlook } from '../../agent/outlook/windows.ts'
import { hasCode } from '../../shared/errors.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

const signal = new AbortController().signal
const path = 'C:\\Mail\\Ann\'s "old" & $(mail) (backup of 2026-11-22 14.03).pst'

/** A program in the place of PowerShell: notes what it is asked and how it was called, answers what it is told to; `never`: not at all. */
async function windows(t: TestContext, answer: object | string) {
  const folder = await scratchFolder(t)
  const log = join(folder, 'asked.json')
  const program = join(folder, 'windows.mjs')
  await writeFile(program, `import { readFileSync, writeFileSync } from 'node:fs'
    writeFileSync(${JSON.stringify(log)}, JSON.stringify({ request: JSON.parse(readFileSync(0, 'utf8')), args: process.argv.slice(2) }))
    if (${JSON.stringify(answer)} === 'never') setInterval(() => {}, 1000)
    else process.stdout.write(${JSON.stringify(typeof answer === 'string' ? answer : JSON.stringify(answer))})`)
  return {
    command: [process.execPath, program],
    asked: async () => JSON.parse(await readFile(log, 'utf8')) as { request: Record<string, string>; args: string[] },
  }
}

test('the path goes to the script by stdin and nowhere else, and what Outlook calls the archive comes back', async (t) => {
  const { command, asked } = await windows(t, { outcome: 'opened', name: 'Ann\'s old mail', wasOpen: false })
  assert.deepEqual(await new WindowsOutlook({ command }).openArchive(path, signal), { name: 'Ann\'s old mail', wasOpen: false })
  const { request, args } = await asked()
  assert.deepEqual(request, { verb: 'open', path })
  assert.deepEqual([args.length, args[0]?.split('/').at(-1)], [1, 'outlook.ps1'])
})

for (const [answer, code, words] of [
  [{ outcome: 'no-session' }, 'outlook-unavailable', /as a service does.*autostart on/],
  [{ outcome: 'not-installed' }, 'outlook-unavailable', /classic Outlook is not installed.*new Outlook/],
  [{ outcome: 'rights' }, 'outlook-unavailable', /administrator's rights/],
  [{ outcome: 'asking' }, 'outlook-unavailable', /waits for an answer/],
  [{ outcome: 'in-use' }, 'file-unreadable', /another program has it open/],
  [{ outcome: 'denied' }, 'file-unreadable', /may not write/],
  [{ outcome: 'missing' }, 'file-unreadable', /not there any more/],
  [{ outcome: 'failed', problem: 'Adding data files is switched off.' }, 'outlook-unavailable', /Adding data files is switched off/],
  [{ outcome: 'opened', name: 7 }, 'outlook-unavailable', /did not answer as it should/],
  [{ outcome: 'free' }, 'outlook-unavailable', /did not answer as it should/],
  ['PS C:\\>', 'outlook-unavailable', /did not answer as it should/],
] as const) {
  test(`when Windows answers ${JSON.stringify(answer)}, the archive is not open and it is said why`, async (t) => {
    const { command } = await windows(t, answer)
    await assert.rejects(new WindowsOutlook({ command }).openArchive(path, signal), (error) => hasCode(error, code) && words.test(error.message) && error.message.includes(path))
  })
}

test('whether Outlook can be asked is what Windows says; no PowerShell, and no answer, are told as such', async (t) => {
  const reasonOf = async (answer: object | string) => (await new WindowsOutlook(await windows(t, answer)).obstacle(signal))?.reason
  assert.deepEqual(await Promise.all([{ outcome: 'free' }, { outcome: 'no-session' }, { outcome: 'not-installed' }, { outcome: 'rights' }, { outcome: 'in-use' }, '', '{}'].map(reasonOf)),
    [undefined, 'no-session', 'not-installed', 'rights', 'unknown', 'unknown', 'unknown'])
  assert.match((await new WindowsOutlook({ command: ['/no/such/powershell'] }).obstacle(signal))?.detail ?? '', /could not be started/)
})

test('an Outlook that does not answer is given up after the time limit, or as soon as somebody cancels', async (t) => {
  const { command } = await windows(t, 'never')
  await assert.rejects(new WindowsOutlook({ command, timeoutMs: 50 }).openArchive(path, signal), (error) => hasCode(error, 'outlook-unavailable') && /no answer in time/.test(error.message))
  const enough = new AbortController()
  const opening = new WindowsOutlook({ command }).openArchive(path, enough.signal)
  enough.abort(new Error('enough'))
  await assert.rejects(opening, /enough/)
  await assert.rejects(new WindowsOutlook({ command }).obstacle(AbortSignal.abort(new Error('enough'))), /enough/)
})

test('elsewhere than on Windows there is no Outlook to ask', async () => {
  const outlook = systemOutlook('linux')
  assert.equal((await outlook.obstacle(signal))?.reason, 'not-windows')
  await assert.rejects(outlook.openArchive('/mail.pst', signal), (error) => hasCode(error, 'outlook-unavailable'))
  assert.ok(systemOutlook('win32') instanceof WindowsOutlook)
})

test('the script answers the verbs that are asked and no others, gives outcomes that are known, and has no path in its text', async () => {
  const script = await readFile(new URL('../../agent/outlook/outlook.ps1', import.meta.url), 'utf8')
  const adapter = await readFile(new URL('../../agent/outlook/windows.ts', import.meta.url), 'utf8')
  assert.deepEqual([...script.matchAll(/^    '(\w+)' \{$/gm)].map(([, verb]) => verb).sort(), [...adapter.matchAll(/verb: '(\w+)'/g)].map(([, verb]) => verb).sort())
  const outcomes = [...script.matchAll(/outcome = '([\w-]+)'|return '([\w-]+)'|'(free)'/g)].map(([, first, second, third]) => first ?? second ?? third)
  assert.ok(outcomes.length > 10)
  for (const outcome of outcomes) assert.ok(adapter.includes(`'${outcome}'`), outcome)
  assert.doesNotMatch(script, /Invoke-Expression|iex |-Command|Start-Process/i)
})
