import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { makePaneCertificate } from '../../agent/http/pane-certificate.ts'
import { KeychainStore } from '../../agent/trust/macos.ts'
import { type Ran, type RunTool, runTool } from '../../agent/run-tool.ts'
import { TrustFault, sha1Of } from '../../agent/trust/port.ts'
import { trustStores } from '../../agent/trust/stores.ts'
import { WindowsStore } from '../../agent/trust/windows.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

const hasCertutil = (await runTool('certutil', ['-H'])).code !== 127
const withoutCertutil = !hasCertutil && process.env['CI'] !== 'true' ? 'certutil is not installed (apt install libnss3-tools)' : false
const [one, other] = await Promise.all([makePaneCertificate(Date.now()), makePaneCertificate(Date.now())])

test('on Linux the certificate goes into the databases of Chromium and of each Firefox profile, and out again', { skip: withoutCertutil }, async (t) => {
  const home = await scratchFolder(t)
  const profile = join(home, '.mozilla', 'firefox', 'abc.default-release')
  await mkdir(profile, { recursive: true })
  assert.equal((await runTool('certutil', ['-N', '-d', `sql:${profile}`, '--empty-password'])).code, 0)
  const stores = trustStores('linux', home)
  assert.deepEqual(stores.map(({ name }) => name.split(' ')[0]), ['Chromium,', 'Firefox'])
  for (const store of stores) {
    assert.equal(await store.has(one.authority), false)
    await store.add(one.authority)
    await store.add(one.authority)
    await store.add(other.authority)
    assert.deepEqual([await store.has(one.authority), await store.has(other.authority)], [true, true])
    await store.remove(one.authority)
    await store.remove(one.authority)
    assert.deepEqual([await store.has(one.authority), await store.has(other.authority)], [false, true])
  }
  assert.ok(existsSync(join(home, '.pki', 'nssdb', 'cert9.db')))
})

test('without certutil it is said which package has it', async (t) => {
  const home = await scratchFolder(t)
  const missing: RunTool = async () => ({ code: 127, stdout: '', stderr: '' })
  const [store] = trustStores('linux', home, missing)
  assert.equal(await store?.has(one.authority), false)
  await assert.rejects(store?.add(one.authority) ?? Promise.resolve(), (error: unknown) => error instanceof TrustFault && /libnss3-tools/u.test(error.guidance))
})

/** Plays a tool: what it was called with is kept, what it answers is the test's. */
function tool(answer: (args: readonly string[]) => Partial<Ran>): { run: RunTool; calls: string[][] } {
  const calls: string[][] = []
  return { calls, run: async (command, args) => {
    calls.push([command, ...args])
    return { code: 0, stdout: '', stderr: '', ...answer(args) }
  } }
}

test('on Windows certutil.exe is called for the user\'s own roots, and a refusal says what to answer', async () => {
  let installed = false
  const { run, calls } = tool((args) => {
    if (args.includes('-store')) return { code: installed ? 0 : 1 }
    installed = args.includes('-addstore')
    return {}
  })
  const store = new WindowsStore(run)
  await store.add(one.authority)
  assert.equal(await store.has(one.authority), true)
  await store.remove(one.authority)
  assert.equal(await store.has(one.authority), false)
  const changing = calls.filter((call) => !call.includes('-store'))
  assert.deepEqual(changing.map((call) => call.slice(0, 5)), [['certutil.exe', '-user', '-f', '-addstore', 'Root'], ['certutil.exe', '-user', '-delstore', 'Root', sha1Of(one.authority)]])
  assert.match(changing[0]?.[5] ?? '', /holdfast\.crt$/u)
  const refused = new WindowsStore(tool((args) => ({ code: 1, stdout: args.includes('-addstore') ? 'CertUtil: -addstore command FAILED: 0x800704c7 (ERROR_CANCELLED)' : '' })).run)
  await assert.rejects(refused.add(one.authority), (error: unknown) => error instanceof TrustFault && /ERROR_CANCELLED/u.test(error.message) && /Yes/u.test(error.guidance))
})

test('on macOS the login keychain is asked for the certificate and for the trust in it', async () => {
  let trusted = false
  const { run, calls } = tool((args) => {
    if (args[0] === 'find-certificate') return { stdout: `SHA-1 hash: ${sha1Of(one.authority)}\n` }
    if (args[0] === 'verify-cert') return { code: trusted ? 0 : 1 }
    if (args[0] === 'add-trusted-cert') trusted = true
    if (args[0] === 'remove-trusted-cert') trusted = false
    return {}
  })
  const store = new KeychainStore('/Users/ana', run)
  await store.add(one.authority)
  assert.equal(await store.has(one.authority), true)
  assert.equal(await store.has(other.authority), false)
  await store.remove(one.authority)
  const keychain = '/Users/ana/Library/Keychains/login.keychain-db'
  const verbs = calls.filter(([, verb]) => verb !== 'find-certificate' && verb !== 'verify-cert')
  assert.deepEqual(verbs.map((call) => call.filter((word) => !word.endsWith('.crt'))), [
    ['security', 'add-trusted-cert', '-r', 'trustRoot', '-p', 'ssl', '-k', keychain], ['security', 'remove-trusted-cert'], ['security', 'delete-certificate', '-Z', sha1Of(one.authority), keychain],
  ])
})
