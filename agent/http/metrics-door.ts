/** GET /metrics for Prometheus, without a password: on the loopback address unless the settings say otherwise. */
import { once } from 'node:events'
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { HoldfastError } from '../../shared/errors.ts'
import { listenFault } from '../../shared/system-reasons.ts'

export interface MetricsDoor extends AsyncDisposable {
  readonly port: number
}

/** `collect`: the text. Answers only by the name or address that it listens on, so that no page reads it by a name of its own. */
export async function openMetricsDoor({ host, port, collect }: { host: string; port: number; collect: () => Promise<string> }): Promise<MetricsDoor> {
  const server = createServer((request, response) => { void answer(request, response, { host, collect }) })
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (cause) {
    const { state, guidance } = listenFault(cause, { host, port, option: 'metrics.port in config.json' })
    throw new HoldfastError('already-exists', `Cannot listen for Prometheus on ${host}:${port}: ${state}`, { guidance, cause })
  }
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, { host, collect }: { host: string; collect: () => Promise<string> }): Promise<void> {
  const asked = (request.headers.host ?? '').replace(/:\d+$/, '')
  const isLoopback = ['127.0.0.1', '::1', 'localhost'].includes(host)
  if (isLoopback && !['127.0.0.1', '[::1]', 'localhost'].includes(asked)) return end(response, 421, 'asked under another name\n')
  if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics') return end(response, 404, 'only GET /metrics\n')
  try {
    end(response, 200, await collect())
  } catch (error) {
    end(response, 503, `${error instanceof HoldfastError ? error.message : 'unexpected failure'}\n`)
  }
}

function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8', 'X-Content-Type-Options': 'nosniff' }).end(text)
}
