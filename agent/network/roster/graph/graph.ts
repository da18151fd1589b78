/**
 * Microsoft Graph as the rosters use it: one client, the documented throttling signals obeyed, and every failure told as
 * `roster-unavailable` with what to do.
 *
 * The client's own middleware answers 429, 503 and 504 by waiting as Retry-After says (short waits only); what asks for
 * longer is told upwards as `retryAfterSeconds`, and an answer that says that the limit is near as `restSeconds`:
 * roster-sync.ts leaves the place alone until then. Network errors, 500 and 502 are not retried by the client, so that is
 * done here, but for a POST, which may have been carried out, only when that can be looked for (postOnce).
 */
import {
  AuthenticationHandler, Client, type Context, GraphError, type Middleware, RedirectHandler, RedirectHandlerOptions, RetryHandler, RetryHandlerOptions, TelemetryHandler,
} from '@microsoft/microsoft-graph-client'
import { HoldfastError } from '../../../../shared/errors.ts'
import type { Options } from '../directory.ts'

/** Where a token comes from, and how the network is reached. */
export interface GraphAccess {
  /** An access token for Microsoft Graph. Rejects `roster-unavailable` when somebody has to sign in. */
  readonly token: (options: Options) => Promise<string>
  readonly fetch: typeof fetch
  /** `holdfast` version, for the decorated user agent that Microsoft asks for. */
  readonly version: string
  /** Resolves after `ms`; rejects when `signal` aborts. */
  readonly pause: (ms: number, signal: AbortSignal | undefined) => Promise<void>
  /** 0 up to 1, exclusive. */
  readonly random: () => number
}

/** A wait up to this is slept through inside a call; a longer one ends the call. */
const patienceSeconds = 5
const retries = 2
/** First wait before a call is tried again for another reason; each further one is twice as long, all half to once and a half. */
const backOffMs = 250
/** An answer that says that less of the limit is left asks for a rest. */
const scarce = 0.2

export class Graph {
  readonly #client: Client
  readonly #locator: string
  readonly #access: GraphAccess
  #token = ''
  #restSeconds = 0

  constructor(locator: string, access: GraphAccess) {
    this.#locator = locator
    this.#access = access
    this.#client = Client.initWithMiddleware({ middleware: chain(access, { getAccessToken: async () => this.#token, onHeaders: (headers) => { this.#restSeconds = restOf(headers) } }), defaultVersion: 'v1.0' })
  }

  /** What the last answer asked for, though it was an answer. */
  get restSeconds(): number {
    return this.#restSeconds
  }

  async get(path: string, options: Options & { headers?: Record<string, string> } = {}): Promise<unknown> {
    return await this.#call(() => this.#request(path, options).get() as Promise<unknown>, options)
  }

  /** The bytes of a file as text. */
  async getText(path: string, options: Options = {}): Promise<string> {
    const response = await this.#call(() => this.#request(path, options).responseType('arraybuffer' as never).get() as Promise<ArrayBuffer>, options)
    return new TextDecoder().decode(response)
  }

  async post(path: string, body: object, options: Options & { readonly headers?: Record<string, string> } = {}): Promise<unknown> {
    return await this.#call(() => this.#request(path, options).post(body) as Promise<unknown>, { ...options, once: true })
  }

  /** As post(), and sent again when the answer was lost or a fault of the server, unless `isDone` finds that it was carried out. */
  async postOnce(path: string, body: object, { isDone, ...options }: Options & { readonly headers?: Record<string, string>; readonly isDone: () => Promise<boolean> }): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await this.post(path, body, options)
        return
      } catch (error) {
        options.signal?.throwIfAborted()
        if (!isUnsure(error)) throw error
        await this.#backOff(attempt, options.signal)
        if (await isDone()) return
        if (attempt >= retries) throw error
      }
    }
  }

  async patch(path: string, body: object, options: Options = {}): Promise<unknown> {
    return await this.#call(() => this.#request(path, options).patch(body) as Promise<unknown>, options)
  }

  /** Sends text as a file. */
  async putText(path: string, text: string, options: Options = {}): Promise<unknown> {
    return await this.#call(() => this.#request(path, { ...options, headers: { 'content-type': 'text/plain' } }).put(Buffer.from(text)) as Promise<unknown>, options)
  }

  async delete(path: string, options: Options = {}): Promise<void> {
    await this.#call(() => this.#request(path, options).delete() as Promise<unknown>, options)
  }

  #request(path: string, { signal, headers = {} }: Options & { headers?: Record<string, string> }) {
    const request = this.#client.api(path).headers(headers)
    return signal === undefined ? request : request.option('signal', signal)
  }

  /** 409 and 412 alike say that somebody else wrote at this moment: what is idempotent is done again, a little later. */
  async pastConflicts<T>(work: () => Promise<T>, { signal }: Options): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await work()
      } catch (error) {
        if (!hasStatus(error, 409, 412) || attempt >= retries) throw error
        await this.#backOff(attempt, signal)
      }
    }
  }

  async #backOff(attempt: number, signal: AbortSignal | undefined): Promise<void> {
    await this.#access.pause(backOffMs * 2 ** attempt * (0.5 + this.#access.random()), signal)
  }

  async #call<T>(work: () => Promise<T>, { signal, once = false }: Options & { once?: boolean }): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      signal?.throwIfAborted()
      this.#token = await this.#access.token({ signal })
      try {
        return await work()
      } catch (error) {
        signal?.throwIfAborted()
        if (once || attempt >= retries || !(error instanceof GraphError) || ![-1, 500, 502].includes(error.statusCode)) throw this.#told(error)
        await this.#backOff(attempt, signal)
      }
    }
  }

  /** GraphFailure for what the rosters decide about themselves; else `roster-unavailable`. */
  #told(error: unknown): unknown {
    if (!(error instanceof GraphError)) return error
    if ([404, 409, 410, 412].includes(error.statusCode)) return new GraphFailure(error)
    return unavailable(this.#locator, stateOf(error), { cause: error, retryAfterSeconds: retryAfterOf(error.headers), signIn: error.statusCode === 401 })
  }

  missing(state: string): HoldfastError {
    return unavailable(this.#locator, state)
  }

  /** For a GraphFailure that nobody expected. */
  unexpected(error: unknown): unknown {
    if (!(error instanceof GraphFailure)) return error
    const state = error.status === 404 ? 'the place is not there, or this account may not see it' : `Microsoft Graph answered ${error.status} ${error.code}`
    return unavailable(this.#locator, state, { cause: error })
  }
}

/** The request may have been carried out all the same. */
function isUnsure(error: unknown): boolean {
  return error instanceof HoldfastError && error.cause instanceof GraphError && (error.cause.statusCode === -1 || [500, 502, 503, 504].includes(error.cause.statusCode))
}

/** 404, 409, 410 or 412: an answer about the thing that was asked for. */
export class GraphFailure extends Error {
  override readonly name = 'GraphFailure'
  readonly status: number
  readonly code: string

  constructor(error: GraphError) {
    super(`${error.statusCode} ${error.code ?? ''}`, { cause: error })
    this.status = error.statusCode
    this.code = error.code ?? ''
  }
}

export function hasStatus(error: unknown, ...statuses: readonly number[]): error is GraphFailure {
  return error instanceof GraphFailure && statuses.includes(error.status)
}

/** `signIn`: what helps is that somebody signs in on this machine. */
export function unavailable(locator: string, state: string, { cause, retryAfterSeconds, signIn = false }: { cause?: unknown; retryAfterSeconds?: number | undefined; signIn?: boolean } = {}): HoldfastError {
  return new HoldfastError('roster-unavailable', `Cannot use the roster ${locator}: ${state}`, {
    details: { locator, state, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }), ...(signIn ? { signIn: locator } : {}) }, cause,
  })
}

function chain({ fetch, version }: GraphAccess, { getAccessToken, onHeaders }: { getAccessToken: () => Promise<string>; onHeaders: (headers: Headers) => void }): Middleware[] {
  const authentication = new AuthenticationHandler({ getAccessToken })
  // A POST that was refused by 429 was not carried out; one that ended with 503 or 504 may have been.
  const shouldRetry = (_delay: number, _attempt: number, _request: unknown, options: { method?: string } | undefined, response: Response) =>
    (retryAfterOf(response.headers) ?? 0) <= patienceSeconds && (response.status === 429 || options?.method !== 'POST')
  return [
    authentication,
    new RetryHandler(new RetryHandlerOptions(1, retries, shouldRetry as never)),
    new RedirectHandler(new RedirectHandlerOptions()),
    new TelemetryHandler(),
    {
      async execute(context: Context): Promise<void> {
        const headers = new Headers(context.options?.headers as Record<string, string> | undefined)
        // A download is redirected to an address that is good by itself: the token is Microsoft Graph's alone.
        if (new URL(context.request as string).hostname !== 'graph.microsoft.com') headers.delete('authorization')
        headers.set('user-agent', `NONISV|Holdfast|Holdfast/${version}`)
        context.response = await fetch(context.request as string, { ...context.options, headers } as RequestInit)
        onHeaders(context.response.headers)
      },
    },
  ]
}

/** Seconds, from Retry-After (a number or a date) or RateLimit-Reset, whichever is longer. */
export function retryAfterOf(headers: Headers | undefined): number | undefined {
  const limited = headers?.get('ratelimit-remaining') === '0' ? Number(headers.get('ratelimit-reset')) : Number.NaN
  const text = headers?.get('retry-after') ?? ''
  const asked = text === '' ? Number.NaN : Number.isNaN(Number(text)) ? (Date.parse(text) - Date.now()) / 1000 : Number(text)
  const known = [limited, asked].filter((seconds) => Number.isFinite(seconds) && seconds >= 0)
  return known.length === 0 ? undefined : Math.min(Math.ceil(Math.max(...known)), 86_400)
}

/** Seconds until the limit is renewed, when little of it is left; 0 otherwise. */
function restOf(headers: Headers): number {
  const number = (name: string) => Number(headers.get(name) ?? Number.NaN)
  const [limit, remaining, reset] = [number('ratelimit-limit'), number('ratelimit-remaining'), number('ratelimit-reset')]
  return remaining < limit * scarce && reset > 0 ? Math.min(Math.ceil(reset), 86_400) : 0
}

function stateOf({ statusCode, code, message, headers }: GraphError): string {
  switch (statusCode) {
    case -1: return `Microsoft Graph cannot be reached (${message.slice(0, 100)})`
    case 401: return 'the sign-in is no longer valid; run holdfast sign-in'
    case 403: return `this account may not use it (${code ?? 'accessDenied'}); an admin must grant the permission`
    case 429: return `Microsoft asks to wait ${retryAfterOf(headers) ?? 'a while'} seconds`
    case 507: return 'the library is full'
    default: return `Microsoft Graph answered ${statusCode} ${code ?? ''}`.trim()
  }
}
