/**
 * Signing in at Microsoft: delegated, as a public client without a secret. In the browser on this machine (loopback
 * redirect, PKCE), or with a code on another device where the tenant allows it. Afterwards tokens are renewed from the
 * cache; when that fails, somebody has to sign in again, and until then the rosters are unavailable and nothing else.
 */
import { randomUUID } from 'node:crypto'
import type { AccountInfo, Configuration, ICachePlugin, INetworkModule, PublicClientApplication } from '@azure/msal-node'
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

/** A person has so long to sign in. */
const browserMs = 10 * 60_000
const consentReason = 'an admin has to allow the app first'

export interface SignInPrompts {
  /** Opens the system's browser. */
  readonly openBrowser: (url: string) => Promise<void>
  /** Shows where to go and which code to type there. */
  readonly showCode: (message: string) => void
}

export class MicrosoftSignIn {
  readonly #options: MicrosoftOptions
  readonly #app: MicrosoftApp
  #application: Promise<PublicClientApplication> | undefined
  /** What Entra said last when it refused: MSAL does not pass it on for device codes. */
  #refusal = ''

  constructor(options: MicrosoftOptions) {
    this.#options = options
    this.#app = options.app
  }

  /** MSAL is loaded by whoever signs in: most work groups have no roster at Microsoft, and would carry it always. */
  async #msal(): Promise<PublicClientApplication> {
    this.#application ??= this.#open()
    return await this.#application
  }

  async #open(): Promise<PublicClientApplication> {
    const { app, cache, fetch } = this.#options
    const { LogLevel, PublicClientApplication } = await import('@azure/msal-node')
    return new PublicClientApplication({
      auth: { clientId: app.client, authority: `https://login.microsoftonline.com/${app.tenant}` },
      cache: { cachePlugin: pluginOf(cache) },
      system: { networkClient: networkOf(fetch, (description) => { this.#refusal = description }), loggerOptions: { logLevel: LogLevel.Error, piiLoggingEnabled: false, loggerCallback: () => {} } },
    } satisfies Configuration)
  }

  /** The name of the account that signed in. Rejects `sign-in-failed`, with the link for an admin when consent is missing. */
  async signIn(prompts: SignInPrompts, { deviceCode, signal }: Options & { deviceCode: boolean }): Promise<string> {
    this.#refusal = ''
    try {
      const result = deviceCode
        ? await this.#byCode(prompts, signal)
        : await this.#inBrowser(prompts, signal)
      return result?.account?.username ?? 'unknown'
    } catch (cause) {
      signal?.throwIfAborted()
      const consent = consentLink(this.#app)
      const reason = reasonOf(cause, this.#refusal)
      throw new HoldfastError('sign-in-failed', `Cannot sign in: ${reason}${reason === consentReason ? `; an admin opens ${consent}` : ''}`, { cause, details: { consent } })
    }
  }

  /** MSAL waits at its loopback address for ever: who gives up tells it so, as a browser would. */
  async #inBrowser({ openBrowser }: SignInPrompts, signal: AbortSignal | undefined) {
    const patience = AbortSignal.timeout(browserMs)
    const until = signal === undefined ? patience : AbortSignal.any([signal, patience])
    const giveUp: (() => void)[] = []
    try {
      return await (await this.#msal()).acquireTokenInteractive({
        scopes, nonce: randomUUID(), successTemplate: 'Signed in. You may close this window.', errorTemplate: 'The sign-in failed. You may close this window.',
        openBrowser: async (url) => {
          const end = () => { void endLoopback(url) }
          giveUp.push(end)
          until.addEventListener('abort', end, { once: true })
          if (until.aborted) end()
          await openBrowser(url)
        },
      })
    } catch (error) {
      signal?.throwIfAborted()
      throw patience.aborted ? new Error('nobody signed in within ten minutes', { cause: error }) : error
    } finally {
      for (const end of giveUp) until.removeEventListener('abort', end)
    }
  }

  async #byCode(prompts: SignInPrompts, signal: AbortSignal | undefined) {
    const request = { scopes, cancel: false, deviceCodeCallback: ({ message }: { message: string }) => { prompts.showCode(message) } }
    const cancel = () => { request.cancel = true }
    signal?.addEventListener('abort', cancel, { once: true })
    try {
      return await (await this.#msal()).acquireTokenByDeviceCode(request)
    } finally {
      signal?.removeEventListener('abort', cancel)
    }
  }

  /** Who is signed in, with a sign-in that still works; undefined otherwise. Network errors reject. */
  async account(): Promise<string | undefined> {
    return await this.token() === undefined ? undefined : (await this.#account())?.username
  }

  async #account(): Promise<AccountInfo | undefined> {
    return (await (await this.#msal()).getTokenCache().getAllAccounts() as AccountInfo[])[0]
  }

  /** Undefined when nobody is signed in, or the sign-in expired or was revoked. Network errors reject. */
  async token(): Promise<string | undefined> {
    const account = await this.#account()
    if (account === undefined) return undefined
    const { AuthError, InteractionRequiredAuthError } = await import('@azure/msal-node')
    try {
      return (await (await this.#msal()).acquireTokenSilent({ account, scopes })).accessToken
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

async function endLoopback(asked: string): Promise<void> {
  const { searchParams } = new URL(asked)
  const body = new URLSearchParams({ error: 'access_denied', error_description: 'given up', state: searchParams.get('state') ?? '' })
  const loopback = new URL(searchParams.get('redirect_uri') ?? '')
  loopback.hostname = '127.0.0.1'
  await fetch(loopback, { method: 'POST', body }).catch(() => undefined) // it ended by itself
}

function reasonOf(error: unknown, refusal: string): string {
  const text = refusal !== '' ? refusal : error instanceof Error ? error.message : ''
  if (/AADSTS65001|AADSTS90094|consent/i.test(text)) return consentReason
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

function networkOf(fetch: typeof globalThis.fetch, onRefusal: (description: string) => void): INetworkModule {
  const send = async <T>(method: string, url: string, options: { headers?: Record<string, string>; body?: string } | undefined, timeoutMs = 20_000) => {
    const response = await fetch(url, {
      method, signal: AbortSignal.timeout(timeoutMs), ...(options?.headers === undefined ? {} : { headers: options.headers }), ...(options?.body === undefined ? {} : { body: options.body }),
    })
    const body = await response.json() as T & { error_description?: unknown }
    if (response.status >= 400 && typeof body.error_description === 'string') onRefusal(body.error_description)
    return { headers: Object.fromEntries(response.headers), body: body as T, status: response.status }
  }
  return {
    sendGetRequestAsync: async (url, options, timeoutMs) => await send('GET', url, options, timeoutMs),
    sendPostRequestAsync: async (url, options) => await send('POST', url, options),
  }
}
