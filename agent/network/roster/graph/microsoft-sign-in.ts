/**
 * Signing in at Microsoft: delegated, as a public client without a secret. In the browser on this machine (loopback
 * redirect, PKCE), or with a code on another device where the tenant allows it. Afterwards tokens are renewed from the
 * cache; when that fails, somebody has to sign in again, and until then the rosters are unavailable and nothing else.
 */
import { type AccountInfo, AuthError, type Configuration, type ICachePlugin, type INetworkModule, InteractionRequiredAuthError, LogLevel, PublicClientApplication } from '@azure/msal-node'
import { HoldfastError } from '../../../../shared/errors.ts'
import type { Options } from '../directory.ts'

/** An app registration of the company, and its tenant: both stand in the roster's locator. */
export interface MicrosoftApp {
  readonly client: string
  readonly tenant: string
}

/** Keeps MSAL's token cache, which holds refresh tokens: sealed by whoever implements this. */
export interface TokenCache {
  load(): Promise<string | undefined>
  save(text: string): Promise<void>
}

export interface MicrosoftOptions {
  readonly app: MicrosoftApp
  readonly cache: TokenCache
  readonly fetch: typeof fetch
}

/** What the app registration was granted: an admin decides there, least privilege (docs/operations.md). */
const scopes = ['https://graph.microsoft.com/.default']

export interface SignInPrompts {
  /** Opens the system's browser. */
  readonly openBrowser: (url: string) => Promise<void>
  /** Shows where to go and which code to type there. */
  readonly showCode: (message: string) => void
}

export class MicrosoftSignIn {
  readonly #application: PublicClientApplication
  readonly #app: MicrosoftApp

  constructor({ app, cache, fetch }: MicrosoftOptions) {
    this.#app = app
    this.#application = new PublicClientApplication({
      auth: { clientId: app.client, authority: `https://login.microsoftonline.com/${app.tenant}` },
      cache: { cachePlugin: pluginOf(cache) },
      system: { networkClient: networkOf(fetch), loggerOptions: { logLevel: LogLevel.Error, piiLoggingEnabled: false, loggerCallback: () => {} } },
    } satisfies Configuration)
  }

  /** The name of the account that signed in. Rejects `unauthorized`. */
  async signIn(prompts: SignInPrompts, { deviceCode, signal }: Options & { deviceCode: boolean }): Promise<string> {
    try {
      const result = deviceCode
        ? await this.#byCode(prompts, signal)
        : await this.#application.acquireTokenInteractive({ scopes, openBrowser: prompts.openBrowser, successTemplate: 'Signed in. You may close this window.', errorTemplate: 'The sign-in failed. You may close this window.' })
      return result?.account?.username ?? 'unknown'
    } catch (cause) {
      signal?.throwIfAborted()
      throw new HoldfastError('unauthorized', `Cannot sign in: ${reasonOf(cause)}`, { cause, details: { consent: consentLink(this.#app) } })
    }
  }

  async #byCode(prompts: SignInPrompts, signal: AbortSignal | undefined) {
    const request = { scopes, cancel: false, deviceCodeCallback: ({ message }: { message: string }) => { prompts.showCode(message) } }
    const cancel = () => { request.cancel = true }
    signal?.addEventListener('abort', cancel, { once: true })
    try {
      return await this.#application.acquireTokenByDeviceCode(request)
    } finally {
      signal?.removeEventListener('abort', cancel)
    }
  }

  /** Undefined when nobody is signed in, or the sign-in expired or was revoked. Network errors reject. */
  async token(): Promise<string | undefined> {
    const [account] = await this.#application.getTokenCache().getAllAccounts() as AccountInfo[]
    if (account === undefined) return undefined
    try {
      return (await this.#application.acquireTokenSilent({ account, scopes })).accessToken
    } catch (error) {
      if (error instanceof InteractionRequiredAuthError || (error instanceof AuthError && error.errorCode === 'invalid_grant')) return undefined
      throw error
    }
  }
}

/** What an admin opens once to allow the app for everybody. */
export function consentLink({ client, tenant }: MicrosoftApp): string {
  return `https://login.microsoftonline.com/${encodeURIComponent(tenant)}/adminconsent?client_id=${encodeURIComponent(client)}`
}

function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : ''
  if (/AADSTS65001|AADSTS90094|consent/i.test(text)) return 'an admin has to allow the app first'
  if (/AADSTS700016/.test(text)) return 'the tenant knows no app of that client id'
  if (/AADSTS530|AADSTS53003|conditional access/i.test(text)) return 'a rule of the company (conditional access) forbids it'
  return text.slice(0, 200) || 'unexpected failure'
}

function pluginOf(cache: TokenCache): ICachePlugin {
  return {
    beforeCacheAccess: async (context) => {
      const text = await cache.load()
      if (text !== undefined) context.tokenCache.deserialize(text)
    },
    afterCacheAccess: async (context) => {
      if (context.cacheHasChanged) await cache.save(context.tokenCache.serialize())
    },
  }
}

function networkOf(fetch: typeof globalThis.fetch): INetworkModule {
  const send = async <T>(method: string, url: string, options: { headers?: Record<string, string>; body?: string } | undefined, timeoutMs = 20_000) => {
    const response = await fetch(url, {
      method, signal: AbortSignal.timeout(timeoutMs), ...(options?.headers === undefined ? {} : { headers: options.headers }), ...(options?.body === undefined ? {} : { body: options.body }),
    })
    return { headers: Object.fromEntries(response.headers), body: await response.json() as T, status: response.status }
  }
  return {
    sendGetRequestAsync: async (url, options, timeoutMs) => await send('GET', url, options, timeoutMs),
    sendPostRequestAsync: async (url, options) => await send('POST', url, options),
  }
}
