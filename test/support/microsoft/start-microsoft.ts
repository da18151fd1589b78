/**
 * Microsoft 365 as one HTTPS server on this machine: Graph, SharePoint's downloads and Entra under their real host names,
 * with a certificate of a CA that only `fetchThrough` trusts. Nothing in the agent knows of it: a test gives its fetch to
 * what it tests, and processes under test get it preloaded (preload-microsoft.ts).
 */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Server, createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type LabCertificate, makeLabCertificate } from '../lab-certificate.ts'
import { FakeEntra } from './fake-entra.ts'
import { FakeGraph } from './fake-graph.ts'
import { fetchThrough } from './fetch-through.ts'

const preload = fileURLToPath(new URL('./preload-microsoft.ts', import.meta.url))

/** One for all servers of a process: making it takes longer than what a test does with it. */
let made: Promise<LabCertificate> | undefined

export interface Microsoft extends AsyncDisposable {
  readonly graph: FakeGraph
  readonly entra: FakeEntra
  readonly port: number
  /** PEM. */
  readonly ca: string
  readonly fetch: typeof fetch
  /** For a process that is to find Microsoft here. `folder`: where a file may be left for it. */
  environment(folder: string): { NODE_OPTIONS: string; HOLDFAST_TEST_MICROSOFT: string }
}

export async function startMicrosoft(): Promise<Microsoft> {
  made ??= makeLabCertificate({ dns: ['graph.microsoft.com', 'contoso.sharepoint.com', 'login.microsoftonline.com'] })
  const { ca, certificate, key } = await made
  const [graph, entra] = [new FakeGraph(), new FakeEntra()]
  entra.onToken = (token) => { graph.accept(token) }
  const server = createServer({ key, cert: certificate }, (request, response) => {
    void serve(request, response, async (asked) => (new URL(asked.url).hostname === 'login.microsoftonline.com' ? await entra.answer(asked) : await graph.answer(asked)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    graph, entra, port, ca, fetch: fetchThrough({ port, ca }),
    environment: (folder) => {
      writeFileSync(join(folder, 'microsoft.json'), JSON.stringify({ port, ca }))
      return { NODE_OPTIONS: `--import=${preload}`, HOLDFAST_TEST_MICROSOFT: join(folder, 'microsoft.json') }
    },
    [Symbol.asyncDispose]: async () => { await closed(server) },
  }
}

async function serve(incoming: IncomingMessage, outgoing: ServerResponse, answer: (request: Request) => Promise<Response>): Promise<void> {
  try {
    const parts: Buffer[] = []
    for await (const part of incoming) parts.push(part as Buffer)
    const { method = 'GET', url, headers } = incoming
    const hasBody = method !== 'GET' && method !== 'HEAD'
    const given = Object.entries(headers).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
    const response = await answer(new Request(`https://${headers.host}${url}`, { method, headers: given, ...(hasBody ? { body: Buffer.concat(parts) } : {}) }))
    outgoing.writeHead(response.status, Object.fromEntries(response.headers))
    outgoing.end(Buffer.from(await response.arrayBuffer()))
  } catch {
    incoming.socket.destroy() // no network
  }
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
}
