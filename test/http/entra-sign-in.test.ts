import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { SignJWT, exportJWK, generateKeyPair } from 'jose'
import { HoldfastError } from '../../shared/errors.ts'
import { EntraSignIn } from '../../agent/http/entra-sign-in.ts'
import { bearer, call, openDoor } from '../support/open-door.ts'

const tenant = '11111111-2222-3333-4444-555555555555'
const user = '99999999-2222-3333-4444-555555555555'
const audience = 'api://localhost:17470/holdfast'
const issuerOf = (of: string) => `https://login.microsoftonline.com/${of}/v2.0`

interface Issuer extends AsyncDisposable {
  readonly url: string
  readonly server: Server
  readonly asked: { times: number }
  token(change?: Record<string, unknown>, options?: { issuer?: string; audience?: string; expires?: string; alg?: 'RS256' | 'none' | 'HS256' }): Promise<string>
}

/** Serves a key set over http on this machine, and signs with it. */
async function openIssuer(): Promise<Issuer> {
  const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true })
  const jwk = { ...await exportJWK(publicKey), kid: 'k1', alg: 'RS256', use: 'sig' }
  const asked = { times: 0 }
  const server = createServer((_request, response) => {
    asked.times++
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`, server, asked,
    async token(change = {}, { issuer = issuerOf(tenant), audience: of = audience, expires = '1h', alg = 'RS256' } = {}) {
      const claims = { tid: tenant, oid: user, scp: 'access_as_user', ...change }
      if (alg === 'none') return `${part({ alg: 'none', kid: 'k1' })}.${part({ ...claims, iss: issuer, aud: of, exp: Math.floor(Date.now() / 1000) + 3600 })}.`
      const signed = new SignJWT(claims).setProtectedHeader({ alg, kid: 'k1' }).setIssuer(issuer).setAudience(of).setIssuedAt().setExpirationTime(expires)
      // The public key as an HMAC secret: the classic confusion.
      return await signed.sign(alg === 'HS256' ? new TextEncoder().encode(JSON.stringify(jwk)) : privateKey)
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      if (server.listening) await new Promise((resolve) => { server.close(resolve) })
    },
  }
}

function part(document: object): string {
  return Buffer.from(JSON.stringify(document)).toString('base64url')
}

function signInWith(issuer: Issuer, kept: { text?: string }): EntraSignIn {
  return new EntraSignIn({ tenant, audience, user, keysUrl: issuer.url, keys: { read: () => kept.text, write: (text) => { kept.text = text } } })
}

const refused = (error: unknown) => error instanceof HoldfastError && error.code === 'not-paired'

test('a token of the company, for this agent and its own user connects a pane', async () => {
  await using issuer = await openIssuer()
  await using door = await openDoor(async () => ({}) as never, { entra: signInWith(issuer, {}) })
  const paired = await call(door, '/api/pair', { method: 'POST', body: JSON.stringify({ entra: await issuer.token() }) })
  assert.equal(paired.status, 200)
  assert.equal((await call(door, '/api/runs', { headers: bearer((JSON.parse(paired.body) as { token: string }).token) })).status, 200)
})

test('tokens of another tenant, person, audience or scope, expired, unsigned or signed with the public key are refused', async () => {
  await using issuer = await openIssuer()
  await using stranger = await openIssuer()
  const signIn = signInWith(issuer, {})
  const other = '00000000-2222-3333-4444-555555555555'
  for (const [what, token] of [
    ['another tenant', await issuer.token({ tid: other }, { issuer: issuerOf(other) })], ['a tenant that is not its issuer\'s', await issuer.token({ tid: other })],
    ['another issuer', await issuer.token({}, { issuer: 'https://evil.example' })], ['another person', await issuer.token({ oid: other })], ['another audience', await issuer.token({}, { audience: 'api://other' })],
    ['another scope', await issuer.token({ scp: 'User.Read' })], ['no scope, as an id token', await issuer.token({ scp: undefined })], ['expired', await issuer.token({}, { expires: '-5m' })],
    ['unsigned', await issuer.token({}, { alg: 'none' })], ['signed with the public key', await issuer.token({}, { alg: 'HS256' })], ['another key', await stranger.token()], ['nonsense', 'a.b.c'],
  ] as const) await assert.rejects(signIn.check(token), refused, what)
})

test('with the keys kept in the home it works while Microsoft is not reachable; without them it says so', async () => {
  const issuer = await openIssuer()
  const kept: { text?: string } = {}
  const token = await issuer.token()
  await signInWith(issuer, kept).check(token)
  await issuer[Symbol.asyncDispose]()
  await signInWith(issuer, kept).check(token)
  assert.equal(issuer.asked.times, 1)
  await assert.rejects(signInWith(issuer, {}).check(token), refused)
  await assert.rejects(signInWith(issuer, { text: '{"uat":1,"jwks":{"keys":"x"}}' }).check(token), refused)
})
