/** Answers in the shapes that the documentation of Microsoft Graph shows. */
import { randomUUID } from 'node:crypto'

export const v1 = 'https://graph.microsoft.com/v1.0'

/** Who and when, in answers that tell it. */
export const by = { createdDateTime: '2026-01-01T00:00:00Z', createdBy: { user: { displayName: 'Ann', id: '8606e4d5' } }, lastModifiedDateTime: '2026-01-01T00:00:00Z', lastModifiedBy: { user: { displayName: 'Ann', id: '8606e4d5' } } }

/** One request as the parts of the fake see it. */
export interface Asked {
  readonly method: string
  /** Decoded, without `/v1.0`. */
  readonly path: string
  readonly url: URL
  readonly headers: Headers
  readonly body: string
}

export function json(status: number, body: object, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } })
}

export function problem(status: number, code: string, { message = `fake ${code}`, headers = {} }: { message?: string; headers?: Record<string, string> } = {}): Response {
  const error = { code, message, innerError: { 'request-id': randomUUID(), 'date': '2026-01-01T00:00:00' } }
  return json(status, { error }, headers)
}

export function noContent(): Response {
  return new Response(undefined, { status: 204 })
}

/** 412 when the request insists on another version; undefined when it may go on. */
export function refusedByETag({ headers }: Asked, eTag: string): Response | undefined {
  const wanted = headers.get('if-match')
  return wanted === null || wanted === '*' || wanted === eTag ? undefined : problem(412, 'resourceModified', { message: 'ETag does not match current item\'s value' })
}

/** What changed where, for delta queries: each item once, as it is now. */
export class ChangeLog {
  #changes: { readonly at: number; readonly id: string; readonly isRemoved: boolean }[] = []
  #at = 0
  #oldest = 0

  get now(): number {
    return this.#at
  }

  note(id: string, isRemoved = false): void {
    this.#changes.push({ at: ++this.#at, id, isRemoved })
  }

  /** Tokens handed out so far are gone. */
  forget(): void {
    this.#oldest = ++this.#at
  }

  isGone(token: number): boolean {
    return token < this.#oldest
  }

  /** After `token` up to `until`. */
  since(token: number, until: number): { id: string; isRemoved: boolean }[] {
    let [low, high] = [0, this.#changes.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#changes[middle]?.at ?? 0) <= token) low = middle + 1
      else high = middle
    }
    const last = new Map<string, { id: string; isRemoved: boolean }>()
    for (let index = low; index < this.#changes.length; index++) {
      const change = this.#changes[index]
      if (change === undefined || change.at > until) break
      last.delete(change.id)
      last.set(change.id, change)
    }
    return [...last.values()]
  }
}

/** One page of `all`, with `@odata.nextLink` when there are more, else with `last`. */
export function paged(all: readonly object[], url: URL, { pageSize, last = {} }: { pageSize: number; last?: object }): Response {
  const skip = Number(url.searchParams.get('$skiptoken') ?? 0)
  const next = new URL(url)
  next.searchParams.set('$skiptoken', String(skip + pageSize))
  const isLast = skip + pageSize >= all.length
  return json(200, { value: all.slice(skip, skip + pageSize), ...(isLast ? last : { '@odata.nextLink': next.href }) })
}
