/**
 * Connecting a pane by the company account that Outlook is signed in with (nested app authentication): the pane sends an
 * access token for the agent's own scope, never an id token. Its issuer and tenant are pinned, so that another company's
 * token is none; the key set is kept in the home, so that it works while Microsoft is not reachable.
 */
import { type ExportedJWKSCache, createRemoteJWKSet, errors, jwksCache, jwtVerify } from 'jose'
import { z } from 'zod'
import type { CompanySignIn } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { type KeptText, parseKept } from '../kept-text.ts'

export interface EntraOptions {
  readonly tenant: string
  /** `api://localhost:17470/<client id>` or the client id: what the token's `aud` is. */
  readonly audience: string
  /** Object id of the one person whose agent this is. */
  readonly user: string
  readonly keys: KeptText
  /** Where the keys come from; Microsoft's by default. */
  readonly keysUrl?: string
}

const claimsSchema = z.object({ tid: z.string(), oid: z.string(), scp: z.string() })
const requiredScope = 'access_as_user'

export class EntraSignIn {
  readonly #options: EntraOptions
  readonly #cache: { current: ExportedJWKSCache | Record<string, never> }
  readonly #keySet: ReturnType<typeof createRemoteJWKSet>

  constructor(options: EntraOptions) {
    this.#options = options
    this.#cache = { current: readCache(options.keys.read()) }
    this.#keySet = createRemoteJWKSet(new URL(options.keysUrl ?? `https://login.microsoftonline.com/${options.tenant}/discovery/v2.0/keys`), {
      [jwksCache]: this.#cache.current as ExportedJWKSCache,
    } as Parameters<typeof createRemoteJWKSet>[1])
  }

  /** What a pane asks Outlook for; undefined when the audience names no app. */
  get offer(): CompanySignIn | undefined {
    const { tenant, audience } = this.#options
    const [client] = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.exec(audience) ?? []
    return client === undefined ? undefined : { tenant, client, scope: `${audience === client ? `api://${client}` : audience}/${requiredScope}` }
  }

  /** Throws `not-paired` for anything but a token of this tenant, for this agent, of its own user, that is good now. */
  async check(token: string): Promise<void> {
    const { tenant, audience, user, keys } = this.#options
    const before = JSON.stringify(this.#cache.current)
    try {
      const { payload } = await jwtVerify(token, this.#keySet, {
        issuer: `https://login.microsoftonline.com/${tenant}/v2.0`, audience, algorithms: ['RS256'], requiredClaims: ['exp', 'tid', 'oid', 'scp'], clockTolerance: 60,
      })
      const claims = claimsSchema.parse(payload)
      if (claims.tid !== tenant || claims.oid !== user || !claims.scp.split(' ').includes(requiredScope)) throw refused('it is another person\'s, or not for this')
    } catch (error) {
      if (error instanceof HoldfastError) throw error
      if (error instanceof errors.JWKSTimeout || (error instanceof TypeError)) throw new HoldfastError('not-paired', 'Cannot connect by the company account: Microsoft\'s keys cannot be fetched now', { cause: error })
      throw refused('the token is not valid', error)
    }
    const after = JSON.stringify(this.#cache.current)
    if (after !== before) keys.write(after)
  }
}

function refused(state: string, cause?: unknown): HoldfastError {
  return new HoldfastError('not-paired', `Cannot connect by the company account: ${state}`, { cause })
}

const cacheSchema = z.object({ uat: z.number(), jwks: z.object({ keys: z.array(z.looseObject({ kty: z.string() })) }) })

function readCache(text: string | undefined): ExportedJWKSCache | Record<string, never> {
  return (parseKept(text, cacheSchema) as ExportedJWKSCache | undefined) ?? {}
}
