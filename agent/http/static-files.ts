/**
 * The files of the door: the pane as `npm run build` left it, office.js as Microsoft ships it (so that nothing is asked
 * from the internet), the manifests written for this port, the icons.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import express, { type Router } from 'express'
import { manifestFileNames, manifestKinds } from '../manifest/manifest-files.ts'
import { answering } from './problems.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
export const paneFolder = join(root, 'dist', 'pane')

export function officeFolder(): string {
  return join(dirname(createRequire(import.meta.url).resolve('@microsoft/office-js/package.json')), 'dist')
}

export function isPaneBuilt(): boolean {
  return existsSync(join(paneFolder, 'index.html'))
}

const notBuilt = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Holdfast</title><main><h1>The pane is not built</h1><p>Run <code>npm run build</code> in the folder of Holdfast, then load this page again.</p></main></html>'

/** `port` is known once the door listens. */
export function addStaticRoutes(router: Router, port: () => number): void {
  for (const kind of manifestKinds) {
    router.get(`/${manifestFileNames[kind]}`, answering(async (_request, response) => {
      const { renderManifest } = await import('../manifest/manifest.ts') // asked for once, when Outlook is set up
      response.type('application/xml').send(renderManifest(kind, { baseUrl: `https://localhost:${port()}` }))
    }))
  }
  const options = { index: false, redirect: false, dotfiles: 'ignore' } as const
  // Outlook on the web shows the icons in pages of its own.
  router.use('/icons', express.static(join(root, 'addin', 'icons'), { ...options, maxAge: '1d', setHeaders: (response) => { response.setHeader('cross-origin-resource-policy', 'cross-origin') } }))
  router.use('/office', express.static(officeFolder(), { ...options, maxAge: '7d' }))
  router.get('/', answering((_request, response) => {
    if (isPaneBuilt()) response.sendFile('index.html', { root: paneFolder, cacheControl: false })
    else response.type('html').send(notBuilt)
  }))
  router.use(express.static(paneFolder, {
    ...options,
    // What has a digest in its name never changes.
    setHeaders: (response, path) => { response.setHeader('cache-control', /\.[0-9a-f]{8,}\.\w+$/.test(path) ? 'public, max-age=31536000, immutable' : 'no-store') },
  }))
}
