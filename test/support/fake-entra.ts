/** A server that answers as Microsoft Entra's token endpoint does to a public client: device codes, refresh, revocation. */
export class FakeEntra {
  readonly requests: string[] = []
  /** Polls answered with authorization_pending before the user is done. */
  pending = 1
  isRevoked = false
  #issued = 0

  readonly fetch: typeof fetch = async (input, init) => {
    const request = new Request(input, init)
    const { pathname, hostname } = new URL(request.url)
    const form = new URLSearchParams(request.method === 'POST' ? await request.text() : '')
    this.requests.push(`${hostname}${pathname} ${form.get('grant_type') ?? ''}`.trim())
    if (pathname.endsWith('/discovery/instance')) return answer(200, { tenant_discovery_endpoint: 'https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration', metadata: [{ preferred_network: 'login.microsoftonline.com', preferred_cache: 'login.windows.net', aliases: ['login.microsoftonline.com', 'login.windows.net'] }] })
    if (pathname.endsWith('/openid-configuration')) return answer(200, { token_endpoint: 'https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token', authorization_endpoint: 'https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/authorize', issuer: 'https://login.microsoftonline.com/tid/v2.0', jwks_uri: 'https://login.microsoftonline.com/keys' })
    if (pathname.endsWith('/devicecode')) return answer(200, { user_code: 'ABCD1234', device_code: 'device', verification_uri: 'https://microsoft.com/devicelogin', expires_in: 900, interval: 0, message: 'open https://microsoft.com/devicelogin and type ABCD1234' })
    if (!pathname.endsWith('/token')) return answer(404, { error: 'not_found' })
    if (form.get('grant_type') === 'device_code' || form.get('grant_type')?.endsWith(':device_code') === true) {
      return this.pending-- > 0 ? answer(400, { error: 'authorization_pending', error_description: 'AADSTS70016: pending' }) : this.#tokens()
    }
    return this.isRevoked ? answer(400, { error: 'invalid_grant', error_description: 'AADSTS50173: revoked', suberror: 'token_expired' }) : this.#tokens()
  }

  #tokens(): Response {
    const claims = { aud: '11111111-2222-3333-4444-555555555555', iss: 'https://login.microsoftonline.com/tid/v2.0', tid: '99999999-2222-3333-4444-555555555555', oid: 'oid', sub: 'sub', preferred_username: 'ann@contoso.com', name: 'Ann', ver: '2.0' }
    const part = (document: object) => Buffer.from(JSON.stringify(document)).toString('base64url')
    return answer(200, {
      token_type: 'Bearer', scope: 'https://graph.microsoft.com/.default', expires_in: 1, ext_expires_in: 1, access_token: `token-${++this.#issued}`, refresh_token: `refresh-${this.#issued}`,
      id_token: `${part({ alg: 'none' })}.${part(claims)}.`, client_info: part({ uid: 'oid', utid: '99999999-2222-3333-4444-555555555555' }),
    })
  }
}

function answer(status: number, body: object): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } })
}
