/**
 * Who may speak to the pane door at all: pages and programs of this machine that know it as localhost. A foreign page is
 * stopped by its Origin, a rebound name by the Host, whatever token they carry. And what the door's own pages may do.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { NextFunction, Request, Response } from 'express'
import { HoldfastError } from '../../shared/errors.ts'
import { sendProblem } from './problems.ts'

/** Where Outlook, Word and Excel on the web show panes; facts of Microsoft's add-in documentation. */
const officeHosts = [
  'https://outlook.office.com', 'https://outlook.office365.com', 'https://outlook.live.com', 'https://outlook.cloud.microsoft', 'https://*.officeapps.live.com', 'https://*.office.com',
]

const loopbackNames = ['localhost', '127.0.0.1', '[::1]']

export class Guard {
  readonly #frameAncestors: string
  #hosts: readonly string[] = []

  /** `frameAncestors`: further pages that may show the pane, such as a company's own Outlook on the web. */
  constructor(frameAncestors: readonly string[]) {
    this.#frameAncestors = ['\'self\'', ...officeHosts, ...frameAncestors].join(' ')
  }

  listenOn(port: number): void {
    this.#hosts = loopbackNames.map((name) => `${name}:${port}`)
  }

  /** Throws `wrong-host` or `forbidden`. */
  check(headers: IncomingHttpHeaders): void {
    this.checkHost(headers)
    const { origin } = headers
    if (origin !== undefined && !this.#hosts.some((host) => origin === `https://${host}`)) throw new HoldfastError('forbidden', 'Cannot answer: another page asked')
    const site = headers['sec-fetch-site']
    // A frame in Outlook on the web is a navigation from another site; everything that the page itself fetches is not.
    if (site !== undefined && !['same-origin', 'none'].includes(String(site)) && headers['sec-fetch-mode'] !== 'navigate') {
      throw new HoldfastError('forbidden', 'Cannot answer: another page asked')
    }
  }

  /** Throws `wrong-host`. */
  checkHost(headers: IncomingHttpHeaders): void {
    if (!this.#hosts.includes(headers.host ?? '')) throw new HoldfastError('wrong-host', 'Cannot answer: asked under another name than localhost')
  }

  readonly handle = (request: Request, response: Response, next: NextFunction): void => {
    response.set({
      'content-security-policy': [
        'default-src \'none\'', 'script-src \'self\'', 'style-src \'self\'', 'img-src \'self\' data:', 'font-src \'self\'', 'connect-src \'self\'',
        'base-uri \'none\'', 'form-action \'none\'', `frame-ancestors ${this.#frameAncestors}`,
      ].join('; '),
      'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'cross-origin-resource-policy': 'same-origin', 'cache-control': 'no-store',
    })
    try {
      if (isPicture(request)) this.checkHost(request.headers)
      else this.check(request.headers)
    } catch (error) {
      return sendProblem(response, error)
    }
    next()
  }
}

/** The ribbon's icons: the same for everybody, and Outlook on the web draws them in pages of its own. */
function isPicture({ method, path }: Request): boolean {
  return method === 'GET' && path.startsWith('/icons/')
}
