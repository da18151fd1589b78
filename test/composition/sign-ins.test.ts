import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { dataProtection, systemProtection } from '../../agent/composition/data-protection.ts'
import { SignIns } from '../../agent/composition/sign-ins.ts'
import { homeAt } from '../../agent/home.ts'
import { generateMachine } from '../../agent/identity/machine.ts'
import { HoldfastError } from '../../shared/errors.ts'

const url = 'ldaps://dc1.example.com'
const signIn = { user: 'ann@example.com', password: 'correct horse' }
const command = [process.execPath, fileURLToPath(new URL('../support/fake-data-protection.mjs', import.meta.url))]
const withCode = (code: string) => (error: unknown) => error instanceof HoldfastError && error.code === code

async function place(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-sign-ins-'))
  t.after(async () => { await rm(folder, { recursive: true, force: true }) })
  return { home: homeAt(folder), options: { machine: generateMachine(), version: '1.2.3' } }
}

test('a sign-in is kept for the user alone and sealed, and another process opens it', async (t) => {
  const { home, options } = await place(t)
  await new SignIns(home, options).keepDirectorySignIn(url, signIn)
  assert.equal((await stat(home.signIns)).mode & 0o777, process.platform === 'win32' ? 0o666 : 0o600)
  assert.ok(!(await readFile(home.signIns, 'utf8')).includes(signIn.password))
  assert.deepEqual(await new SignIns(home, options).access.directorySignIn(url), signIn)
})

test('on Windows the account\'s own protection seals it too: once to write, once to open, and not for another account', async (t) => {
  const { home, options } = await place(t)
  const real = dataProtection(command)
  let calls = 0
  const protection = { protect: async (data: string) => { calls++; return await real.protect(data) }, unprotect: async (data: string) => { calls++; return await real.unprotect(data) } }
  const first = new SignIns(home, { ...options, protection })
  await first.keepDirectorySignIn(url, signIn)
  assert.deepEqual(await first.access.directorySignIn(url), signIn)
  const second = new SignIns(home, { ...options, protection })
  for (let time = 0; time < 3; time++) assert.deepEqual(await second.access.directorySignIn(url), signIn)
  assert.equal(calls, 2)
  assert.match(await readFile(home.signIns, 'utf8'), /dpapi:/)
  await assert.rejects(new SignIns(home, { ...options, protection: undefined }).access.directorySignIn(url), withCode('sign-in-failed'))
  const text = await readFile(home.signIns, 'utf8')
  await writeFile(home.signIns, text.replace(/dpapi:[\w+/=]{8}/, 'dpapi:AAAAAAAA'))
  await assert.rejects(new SignIns(home, { ...options, protection }).access.directorySignIn(url), withCode('sign-in-failed'))
})

test('what was kept before there was such protection is still opened', async (t) => {
  const { home, options } = await place(t)
  await new SignIns(home, options).keepDirectorySignIn(url, signIn)
  assert.deepEqual(await new SignIns(home, { ...options, protection: dataProtection(command) }).access.directorySignIn(url), signIn)
  assert.equal(systemProtection('linux'), undefined)
  assert.notEqual(systemProtection('win32'), undefined)
})

test('a damaged file keeps nobody from opening rosters, and says what to do when a sign-in is needed', async (t) => {
  const { home, options } = await place(t)
  await writeFile(home.signIns, '{')
  const { access } = new SignIns(home, options)
  assert.equal(access.syncedFolder('sharepoint:https://x'), undefined)
  await assert.rejects(access.directorySignIn(url), (error) => withCode('invalid-config')(error) && /sign in again/.test((error as Error).message))
})
