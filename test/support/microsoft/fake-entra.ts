/**
 * Answers as Microsoft Entra does to a public client: the authorization endpoint (PKCE, form_post), device codes, refresh,
 * revocation, missing consent.
 */
import { createHash, randomUUID } from 'node:crypto'

interface Pending {
  readonly challenge: string
  readonly nonce: string
  readonly redirect: string
}

const authority = 'https://login.microsoftonline.com/contoso.onmicrosoft.com'
const tenant = '99999999-2222-3333-4444-555555555555'

export class FakeEntra {
  readonly requests: string[] = []
  /** Polls answered with authorization_pending before the user is done. */
  pending = 1
  isRevoked = false
  /** Nobody allowed the app yet. */
  lacksConsent = false
  /** Hears of each access token that is given out. */
  onToken: (token: string) => void = () => {}
  #issued = 0
  readonly #codes = new Map<string, Pending>()

  readonly fetch: typeof fetch = async (input, init) => {
    init?.signal?.throwIfAborted()
    return await this.answer(new Request(input, init))
  }

  async answer(request: Request): Promise<Response> {
    const { pathname, hostname, searchParams } = new URL(request.url)
    const form = new URLSearchParams(request.method === 'POST' ? await request.text() : '')
    const grant = form.get('grant_type') ?? ''
    this.requests.push(`${hostname}${pathname} ${grant}`.trim())
    if (pathname.endsWith('/discovery/instance')) return answer(200, { tenant_discovery_endpoint: `${authority}/v2.0/.well-known/openid-configuration`, metadata: [{ preferred_network: 'login.microsoftonline.com', preferred_cache: 'login.windows.net', aliases: ['login.microsoftonline.com', 'login.windows.net'] }] })
    if (pathname.endsWith('/openid-configuration')) return answer(200, { token_endpoint: `${authority}/oauth2/v2.0/token`, authorization_endpoint: `${authority}/oauth2/v2.0/authorize`, issuer: `https://login.microsoftonline.com/${tenant}/v2.0`, jwks_uri: 'https://login.microsoftonline.com/keys' })
    if (pathname.endsWith('/authorize')) return this.#authorize(searchParams)
    if (pathname.endsWith('/devicecode')) return answer(200, { user_code: 'ABCD1234', device_code: 'device', verification_uri: 'https://microsoft.com/devicelogin', expires_in: 900, interval: 0, message: 'open https://microsoft.com/devicelogin and type ABCD1234' })
    if (!pathname.endsWith('/token')) return answer(404, { error: 'not_found' })
    if (this.lacksConsent) return answer(400, { error: 'invalid_grant', error_description: 'AADSTS65001: The user or administrator has not consented to use the application', suberror: 'consent_required' })
    if (grant === 'authorization_code') return this.#redeem(form)
    if (grant === 'device_code' || grant.endsWith(':device_code')) {
      return this.pending-- > 0 ? answer(400, { error: 'authorization_pending', error_description: 'AADSTS70016: pending' }) : this.#tokens()
    }
    return this.isRevoked ? answer(400, { error: 'invalid_grant', error_description: 'AADSTS50173: revoked', suberror: 'token_expired' }) : this.#tokens()
  }

  /** The page that a person sees after the password: it posts the code to the address that asked. */
  #authorize(asked: URLSearchParams): Response {
    const redirect = asked.get('redirect_uri') ?? ''
    if (asked.get('response_mode') !== 'form_post' || asked.get('code_challenge_method') !== 'S256' || !/^http:\/\/localhost:\d+$/.test(redirect)) return answer(400, { error: 'invalid_request' })
    const code = randomUUID()
    this.#codes.set(code, { challenge: asked.get('code_challenge') ?? '', nonce: asked.get('nonce') ?? '', redirect })
    const fields: Record<string, string> = this.lacksConsent
      ? { error: 'access_denied', error_description: 'AADSTS90094: An administrator of contoso has to grant the permission', state: asked.get('state') ?? '' }
      : { code, state: asked.get('state') ?? '' }
    const inputs = Object.entries(fields).map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`)
    return new Response(`<!doctype html><title>Sign in</title><form method="post" action="${redirect}">${inputs.join('')}<button>Go on as Ann</button></form>`, { headers: { 'content-type': 'text/html; charset=utf-8' } })
  }

  #redeem(form: URLSearchParams): Response {
    const known = this.#codes.get(form.get('code') ?? '')
    const proof = createHash('sha256').update(form.get('code_verifier') ?? '').digest('base64url')
    if (known === undefined || proof !== known.challenge || form.get('redirect_uri') !== known.redirect) return answer(400, { error: 'invalid_grant', error_description: 'AADSTS501481: the code verifier does not match' })
    return this.#tokens(known.nonce === '' ? undefined : known.nonce)
  }

  #tokens(nonce?: string): Response {
    const claims = {
      aud: '11111111-2222-3333-4444-555555555555', iss: `https://login.microsoftonline.com/${tenant}/v2.0`, tid: tenant, oid: 'oid', sub: 'sub', preferred_username: 'ann@contoso.com', name: 'Ann', ver: '2.0',
      ...(nonce === undefined ? {} : { nonce }),
    }
    const part = (document: object) => Buffer.from(JSON.stringify(document)).toString('base64url')
    const token = `token-${++this.#issued}`
    this.onToken(token)
    return answer(200, {
      token_type: 'Bearer', scope: 'https://graph.microsoft.com/.default', expires_in: 1, ext_expires_in: 1, access_token: token, refresh_token: `refresh-${this.#issued}`,
      id_token: `${part({ alg: 'none' })}.${part(claims)}.`, client_info: part({ uid: 'oid', utid: tenant }),
    })
  }
}

/** What a person does in the browser: opens the address, goes on as Ann. */
export async function signInInBrowser(entra: Pick<FakeEntra, 'fetch'>, address: string): Promise<string> {
  const page = await (await entra.fetch(address)).text()
  const action = /action="([^"]+)"/.exec(page)?.[1] ?? ''
  const fields = new URLSearchParams([...page.matchAll(/name="([^"]+)" value="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value] as [string, string]))
  return await (await fetch(action.replace('localhost', '127.0.0.1'), { method: 'POST', body: fields })).text()
}

function answer(status: number, body: object): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } })
}
