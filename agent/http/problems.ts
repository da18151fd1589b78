/** RFC 9457 answers. */
import type { NextFunction, Request, Response } from 'express'
import { HoldfastError, toProblem } from '../../shared/errors.ts'

export function sendProblem(response: Response, error: unknown): void {
  if (response.headersSent) return void response.destroy()
  const problem = toProblem(error)
  response.status(problem.status).type('application/problem+json').send(JSON.stringify(problem))
}

/** For what express itself throws: bodies that are no JSON or too long, broken % sequences. */
export function sendFault(error: unknown, _request: Request, response: Response, _next: NextFunction): void {
  const isTheirs = error instanceof Error && 'status' in error && typeof error.status === 'number' && error.status < 500
  sendProblem(response, isTheirs ? new HoldfastError('invalid-input', 'Cannot read the request: it is not JSON of at most 1 MB', { cause: error }) : error)
}

/** A handler that may fail. */
export function answering(work: (request: Request, response: Response) => Promise<void> | void) {
  return async (request: Request, response: Response): Promise<void> => {
    try {
      await work(request, response)
    } catch (error) {
      sendProblem(response, error)
    }
  }
}
