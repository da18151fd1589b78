/**
 * The pane door: https on the loopback addresses only. Now it carries the command line; the pane comes through it too.
 *
 * POST /api/commands/<name, spaces as dashes> with a JSON request answers application/x-ndjson: `{"progress":…}` lines,
 * then one `{"result":…}` or `{"problem":…}`. Closing the connection cancels the command. Every call carries the Bearer
 * token of the runtime file; Host and Origin must be ours, so that neither a foreign page nor a rebound name gets in.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { type Server, createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import express, { type NextFunction, type Request, type Response } from 'express'
import { type CommandName, commands, isCommandName } from '../../shared/api.ts'
import { HoldfastError, type Problem, toProblem } from '../../shared/errors.ts'
import type { RunCommand } from '../commands/command.ts'
import { makePaneCertificate } from './pane-certificate.ts'

const bodyLimit = '1mb'

export interface PaneDoor extends AsyncDisposable {
  readonly port: number
  readonly token: string
  readonly certificate: string
}

/** Listens on 127.0.0.1 and, where the system has it, ::1. Port 0 takes any free one. `already-exists` when it is taken. */
export async function openPaneDoor(run: RunCommand, options: { port: number; nowMs: number }): Promise<PaneDoor> {
  const { key, certificate } = await makePaneCertificate(options.nowMs)
  const token = randomBytes(32).toString('base64url')
  const allowed = { port: 0 }
  const app = express()
  app.disable('x-powered-by')
  app.use(guard(allowed, token))
  app.use(express.json({ limit: bodyLimit, strict: true }))
  app.post('/api/commands/:name', (request, response) => void answerCommand(run, request, response))
  app.use((_request, response) => sendProblem(response, toProblem(new HoldfastError('not-found', 'Cannot find that address'))))
  app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => {
    sendProblem(response, toProblem(new HoldfastError('invalid-input', 'Cannot read the request: it is not JSON of at most 1 MB', { cause: error })))
  })
  const servers: Server[] = []
  for (const host of ['127.0.0.1', '::1']) {
    const server = createServer({ key, cert: certificate, minVersion: 'TLSv1.2' }, app)
    try {
      server.listen({ host, port: allowed.port === 0 ? options.port : allowed.port })
      await once(server, 'listening')
    } catch (cause) {
      if (host === '::1') continue
      throw new HoldfastError('already-exists', `Cannot open the pane door: port ${options.port} is taken`, { cause })
    }
    allowed.port = (server.address() as AddressInfo).port
    servers.push(server)
  }
  return {
    port: allowed.port, token, certificate,
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map(async (server) => {
        server.close()
        server.closeAllConnections()
        await once(server, 'close')
      }))
    },
  }
}

function guard(allowed: { readonly port: number }, token: string) {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  const wanted = digest(`Bearer ${token}`)
  return (request: Request, response: Response, next: NextFunction) => {
    const hosts = ['localhost', '127.0.0.1', '[::1]'].map((host) => `${host}:${allowed.port}`)
    const origin = request.headers.origin
    const fromHere = hosts.includes(request.headers.host ?? '') && (origin === undefined || hosts.some((host) => origin === `https://${host}`))
    if (fromHere && timingSafeEqual(digest(request.headers.authorization ?? ''), wanted)) return next()
    sendProblem(response, toProblem(new HoldfastError('unauthorized', 'Cannot answer: the request carries no valid token')))
  }
}

function sendProblem(response: Response, problem: Problem): void {
  response.status(problem.status).type('application/problem+json').send(JSON.stringify(problem))
}

async function answerCommand(run: RunCommand, request: Request, response: Response): Promise<void> {
  const name = String(request.params['name']).replaceAll('-', ' ')
  if (!isCommandName(name)) return sendProblem(response, toProblem(new HoldfastError('not-found', `Cannot run ${name}: no such command`)))
  const parsed = commands[name].request.safeParse(request.body ?? {})
  if (!parsed.success) return sendProblem(response, toProblem(new HoldfastError('invalid-input', `Cannot run ${name}: ${parsed.error.issues[0]?.message}`)))
  const controller = new AbortController()
  response.on('close', () => controller.abort(new HoldfastError('cancelled', `Cannot finish ${name}: the caller went away`)))
  response.status(200).type('application/x-ndjson')
  response.flushHeaders()
  const write = (document: object) => void response.write(`${JSON.stringify(document)}\n`)
  try {
    const result = await run(name as CommandName, parsed.data as never, { signal: controller.signal, onProgress: (progress) => write({ progress }) })
    write({ result })
  } catch (error) {
    write({ problem: toProblem(error) })
  }
  response.end()
}
