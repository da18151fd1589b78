/** What is backed up: files and folders by absolute path, each with its own exclusions. */
import { lstatSync } from 'node:fs'
import { isAbsolute, resolve } from 'node:path'
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { compileExclusions } from '../source/exclusions.ts'
import { ownDetail } from '../source/tree-scan.ts'
import { idOf, isWithin } from '../source/within.ts'
import type { AgentContext } from './context.ts'

/** A path that is protected already gets the new exclusions. The agent's home is left out of a folder that it lies in. Throws `not-found` or `invalid-input`. */
export function protect(context: AgentContext, request: CommandRequest<'protect'>): CommandResult<'protect'> {
  compileExclusions(request.excludes) // a bad pattern is refused before anything is written
  const paths = request.paths.map((path) => {
    if (!isAbsolute(path)) throw new HoldfastError('invalid-input', `Cannot protect ${path}: the path must be absolute`)
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) throw new HoldfastError('not-found', `Cannot protect ${path}: there is no such file or folder`)
    refuseHome(path, context.homeDirectory)
    return resolve(path)
  })
  const kept = context.settings.config.protect.filter(({ path }) => !paths.includes(path))
  const added = [...new Set(paths)].map((path) => ({ path, excludes: [...request.excludes] }))
  const next = [...kept, ...added].sort((a, b) => (a.path < b.path ? -1 : 1))
  context.settings.setProtected(next)
  const leavesHome = paths.some((path) => !lstatSync(path).isSymbolicLink() && isWithin(context.homeDirectory, new Set([idOf(path) ?? ''])))
  return { protected: next, leftOut: leavesHome ? [{ path: context.homeDirectory, reason: ownDetail }] : [] }
}

/** A backup of it would hold the shards of others and itself, and its keys are not to leave the machine: recovery makes a new one. */
function refuseHome(path: string, home: string): void {
  const id = idOf(home)
  if (id === undefined || !isWithin(path, new Set([id]))) return
  throw new HoldfastError('invalid-input', `Cannot protect ${path}: it is ${idOf(path) === id ? 'the home of this agent' : `in the home of this agent, ${home}`}, which is never backed up; what a new machine needs of it comes back with the recovery kit`)
}

/** Throws `not-found` when one of them is not protected. */
export function unprotect(context: AgentContext, request: CommandRequest<'unprotect'>): CommandResult<'unprotect'> {
  const { protect: before } = context.settings.config
  const paths = request.paths.map((path) => resolve(path))
  const unknown = paths.find((path) => !before.some((entry) => entry.path === path))
  if (unknown !== undefined) throw new HoldfastError('not-found', `Cannot unprotect ${unknown}: it is not protected`)
  const next = before.filter(({ path }) => !paths.includes(path))
  context.settings.setProtected(next)
  return { protected: next }
}
