/** A fetch that finds every host at one port of this machine, and believes one CA. Redirects are left to the caller. */
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'

export function fetchThrough({ port, ca }: { port: number; ca: string }): typeof fetch {
  return async (input, init) => {
    const asked = new Request(input, init)
    const { hostname, pathname, search } = new URL(asked.url)
    const body = Buffer.from(await asked.arrayBuffer())
    const outgoing = request({
      host: '127.0.0.1', port, servername: hostname, ca: [ca], method: asked.method, path: pathname + search, agent: false, signal: asked.signal,
      headers: { ...Object.fromEntries(asked.headers), host: hostname, ...(body.length > 0 ? { 'content-length': String(body.length) } : {}) },
    })
    outgoing.end(body)
    try {
      const [response] = await once(outgoing, 'response') as [IncomingMessage]
      const parts: Buffer[] = []
      for await (const part of response) parts.push(part as Buffer)
      const isEmpty = [204, 304].includes(response.statusCode ?? 0)
      const headers = Object.entries(response.headers).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
      return new Response(isEmpty ? undefined : Buffer.concat(parts), { status: response.statusCode ?? 0, headers })
    } catch (cause) {
      asked.signal.throwIfAborted()
      throw new TypeError('fetch failed', { cause })
    }
  }
}
