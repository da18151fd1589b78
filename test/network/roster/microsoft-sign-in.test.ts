import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldfastError } from '../../../shared/errors.ts'
import { MicrosoftSignIn, consentLink } from '../../../agent/network/roster/graph/microsoft-sign-in.ts'
import { FakeEntra, signInInBrowser } from '../../support/microsoft/fake-entra.ts'

const app = { client: '11111111-2222-3333-4444-555555555555', tenant: 'contoso.onmicrosoft.com' }

function open(entra: FakeEntra, kept: { text?: string | undefined }) {
  return new MicrosoftSignIn({ app, fetch: entra.fetch, cache: { load: async () => kept.text, save: async (text) => { kept.text = text } } })
}

const noBrowser = async (): Promise<void> => { throw new Error('no browser is wanted here') }

test('a device code signs in, the token cache is kept, and another process renews from it', async () => {
  const entra = new FakeEntra()
  const kept: { text?: string } = {}
  const shown: string[] = []
  const account = await open(entra, kept).signIn({ openBrowser: noBrowser, showCode: (message) => { shown.push(message) } }, { deviceCode: true })
  assert.equal(account, 'ann@contoso.com')
  assert.match(shown.join(), /type ABCD1234/)
  assert.match(kept.text ?? '', /refresh-1/)
  assert.equal(await open(entra, kept).token(), 'token-2')
})

test('in the browser: the code comes back to an address of this machine, with the proof that only this machine has', async () => {
  const entra = new FakeEntra()
  const kept: { text?: string } = {}
  let page = Promise.resolve('')
  let asked = ''
  const account = await open(entra, kept).signIn({
    openBrowser: async (url) => { asked = url; page = signInInBrowser(entra, url) }, showCode: () => { throw new Error('no code is wanted here') },
  }, { deviceCode: false })
  assert.equal(account, 'ann@contoso.com')
  assert.match(await page, /Signed in/)
  const { searchParams } = new URL(asked)
  assert.deepEqual(['response_mode', 'code_challenge_method', 'client_id'].map((name) => searchParams.get(name)), ['form_post', 'S256', app.client])
  assert.match(searchParams.get('scope') ?? '', /graph\.microsoft\.com\/\.default/)
  assert.equal(await open(entra, kept).token(), 'token-2', 'another process goes on with it')
})

test('a sign-in in the browser can be given up, and nothing goes on listening', async () => {
  const controller = new AbortController()
  let loopback = ''
  const signing = open(new FakeEntra(), {}).signIn({
    openBrowser: async (url) => { loopback = new URL(url).searchParams.get('redirect_uri') ?? ''; controller.abort(new Error('enough')) }, showCode: () => {},
  }, { deviceCode: false, signal: controller.signal })
  await assert.rejects(signing, /enough/)
  await assert.rejects(fetch(loopback.replace('localhost', '127.0.0.1')))
})

test('consent that is missing is told with the ready link, by the browser and by the code', async () => {
  for (const deviceCode of [true, false]) {
    const entra = new FakeEntra()
    entra.lacksConsent = true
    const signing = open(entra, {}).signIn({ openBrowser: async (url) => { void signInInBrowser(entra, url) }, showCode: () => {} }, { deviceCode })
    await assert.rejects(signing, (error) => error instanceof HoldfastError && /an admin has to allow the app first; an admin opens https:\/\/login\.microsoftonline\.com\/contoso\.onmicrosoft\.com\/adminconsent\?client_id=11111111/.test(error.message))
  }
})

test('a sign-in that was revoked has no token, nobody signed in has none, and a network that is down rejects', async () => {
  const entra = new FakeEntra()
  const kept: { text?: string } = {}
  assert.equal(await open(entra, kept).token(), undefined)
  await open(entra, kept).signIn({ openBrowser: noBrowser, showCode: () => {} }, { deviceCode: true })
  entra.isRevoked = true
  assert.equal(await open(entra, kept).token(), undefined)
  const down = new MicrosoftSignIn({ app, fetch: async () => { throw new TypeError('fetch failed') }, cache: { load: async () => kept.text, save: async () => {} } })
  await assert.rejects(down.token())
})

test('a sign-in that fails says why and names the link for an admin', async () => {
  const fails: typeof fetch = async () => new Response(JSON.stringify({ error: 'invalid_client', error_description: 'AADSTS65001: consent is missing' }), { status: 400, headers: { 'content-type': 'application/json' } })
  const signIn = new MicrosoftSignIn({ app, fetch: fails, cache: { load: async () => undefined, save: async () => {} } })
  await assert.rejects(signIn.signIn({ openBrowser: noBrowser, showCode: () => {} }, { deviceCode: true }),
    (error) => error instanceof HoldfastError && error.code === 'sign-in-failed' && error.details['consent'] === consentLink(app) && error.message.includes(consentLink(app)))
})
