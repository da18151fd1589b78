/** What the door answers under /api: how to pair, and pairing, without a token; everything else with one. */
import { pipeline } from 'node:stream/promises'
import { type NextFunction, type Request, type Response, Router, json } from 'express'
import { z } from 'zod'
import { HoldfastError } from '../../shared/errors.ts'
import { type Runs, addCommandRoutes } from './command-api.ts'
import type { EntraSignIn } from './entra-sign-in.ts'
import { openApiDocument } from './openapi.ts'
import { pairSchema, tokenSchema } from './pane-requests.ts'
import { type PaneSessions, type Scope, bearerOf } from './pane-sessions.ts'
import { answering, sendProblem } from './problems.ts'

const bodyLimit = '1mb'

const fileSchema = z.object({ snapshot: z.string().min(1).max(100), path: z.string().min(1).max(32_768) })

export interface FileBytes {
  readonly name: string
  readonly size: number
  bytes(): AsyncIterable<Uint8Array>
}

export interface PaneServices extends Runs {
  readonly version: string
  /** One file of a snapshot. Throws `not-found`. */
  openFile(snapshot: string, path: string, signal: AbortSignal): Promise<FileBytes>
  readonly entra: EntraSignIn | undefined
}

export function paneApi(services: PaneServices, sessions: PaneSessions): Router {
  const router = Router()
  router.use(json({ limit: bodyLimit, strict: true }))
  router.post('/pair', answering(async (request, response) => {
    const given = parsed(pairSchema, request.body)
    if (!('entra' in given)) return void response.json({ token: sessions.pair(given) })
    if (services.entra === undefined) throw new HoldfastError('not-paired', 'Cannot connect by a company account: the agent is not set up for it')
    await services.entra.check(given.entra)
    response.json({ token: sessions.open() })
  }))
  router.get('/sign-in', answering((_request, response) => void response.json({ company: services.entra?.offer ?? null })))
  router.use(requireToken(sessions))
  addCommandRoutes(router, services, (request, name) => {
    if (scopeOf(request) !== 'full' && name !== 'backup') throw forbidden()
    if (scopeOf(request) === 'backup' && Object.keys(request.body as object ?? {}).length > 0) throw forbidden() // everything that is protected, nothing else
  })
  router.delete('/pair', answering((request, response) => {
    sessions.close(bearerOf(request.get('authorization')))
    response.status(204).end()
  }))
  router.post('/tickets', answering((_request, response) => void response.json({ ticket: sessions.newTicket() })))
  router.post('/codes', answering((_request, response) => void response.json({ code: sessions.newCode() })))
  router.post('/tokens', answering((request, response) => void response.json(sessions.newBackupToken(parsed(tokenSchema, request.body).label))))
  router.get('/tokens', answering((_request, response) => void response.json({ tokens: sessions.backupTokens().map(({ id, created, label }) => ({ id, created, label })) })))
  router.delete('/tokens/:id', answering((request, response) => {
    if (!sessions.revokeBackupToken(String(request.params['id']))) throw new HoldfastError('not-found', 'Cannot revoke the token: there is none of that id')
    response.status(204).end()
  }))
  router.get('/file', answering(async (request, response) => { await sendFile(services, parsed(fileSchema, request.query), response) }))
  router.get('/openapi.json', answering((_request, response) => void response.json(openApiDocument(services.version))))
  router.use((_request, response) => { sendProblem(response, new HoldfastError('not-found', 'Cannot find that address')) })
  return router
}

/** A token of scope `backup` gets as far as starting a run, where command-api asks again. */
function requireToken(sessions: PaneSessions) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const scope = sessions.scopeOf(bearerOf(request.get('authorization')))
    if (scope === undefined) return sendProblem(response, new HoldfastError('not-paired', 'Cannot answer: the request carries no valid token'))
    if (scope === 'backup' && !(request.method === 'POST' && request.path === '/commands/backup')) return sendProblem(response, forbidden())
    response.locals['scope'] = scope
    next()
  }
}

function scopeOf(request: Request): Scope {
  return (request.res as Response).locals['scope'] as Scope
}

function forbidden(): HoldfastError {
  return new HoldfastError('forbidden', 'Cannot answer: this token may start a backup and nothing else')
}

async function sendFile(services: PaneServices, { snapshot, path }: z.infer<typeof fileSchema>, response: Response): Promise<void> {
  const gone = new AbortController()
  response.on('close', () => { gone.abort(new HoldfastError('cancelled', 'Cannot send the file: the caller went away')) })
  const file = await services.openFile(snapshot, path, gone.signal)
  response.status(200).type('application/octet-stream').set('content-length', String(file.size))
  response.set('content-disposition', `attachment; filename*=UTF-8''${encodeURIComponent(file.name).replaceAll('\'', '%27')}`)
  try {
    await pipeline(file.bytes(), response)
  } catch (error) {
    response.destroy() // cut short: a caller must not take it for whole
    if (!gone.signal.aborted && !(error instanceof HoldfastError)) throw error
  }
}

function parsed<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (!result.success) throw new HoldfastError('invalid-input', `Cannot read the request: ${result.error.issues[0]?.message}`)
  return result.data
}
