/**
 * What lies in folders that were copied off holders' disks, before anybody says whose backup is wanted: a holder's folder has
 * one folder for each owner, named by the owner's id in hex, with shards in it. Nothing is verified here; a header is read
 * of some objects, to see how many shards they need.
 */
import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { HoldfastError } from '../../shared/errors.ts'
import type { OwnerId } from '../../shared/ids.ts'
import { systemReason } from '../../shared/system-reasons.ts'
import { ownerIdFromBytes } from '../identity/machine.ts'
import { parseShardName, readHeaderOf } from './shard-store/collected-folder.ts'

const deepest = 4
/** Objects of an owner whose headers are read. */
const looksAt = 200

export interface CollectedOwner {
  readonly owner: OwnerId
  /** How many folders have shards of this owner. */
  readonly folders: number
  readonly objects: number
  /** Objects that were looked at, and those of them of which enough shards are there. */
  readonly lookedAt: number
  readonly readable: number
  /** Of the object that lacks most, else of any: shards that are there, and that it takes. */
  readonly have: number
  readonly need: number
}

export interface CollectedSurvey {
  /** Those with most objects first. */
  readonly owners: readonly CollectedOwner[]
  /** Folders of the request in which there is nothing. */
  readonly empty: readonly string[]
}

/** Told of every folder that the system does not let us look into. */
type Report = (path: string, error: unknown) => void

/** Throws `file-unreadable` when one of `folders` cannot be looked into, `not-found` when none has shards. */
export async function surveyFolders(folders: readonly string[], report: Report = () => undefined): Promise<CollectedSurvey> {
  const places = new Map<string, Set<string>>()
  const empty: string[] = []
  for (const folder of folders) {
    let isEmpty = true
    for await (const path of ownerFolders(folder, (name) => /^[0-9a-f]{64}$/.test(name), report)) {
      isEmpty = false
      const known = places.get(basename(path)) ?? new Set()
      places.set(basename(path), known.add(path))
    }
    if (isEmpty) empty.push(folder)
  }
  const owners: CollectedOwner[] = []
  for (const [name, paths] of places) {
    const found = await surveyOwner(name, [...paths])
    if (found.objects > 0) owners.push(found)
  }
  if (owners.length === 0) {
    throw new HoldfastError('not-found', `Cannot restore from ${folders.join(', ')}: no shards lie there`, {
      guidance: 'What is needed is the folder `holder` in the home of each machine that kept your backup (~/.local/state/holdfast/holder, %LOCALAPPDATA%\\Holdfast\\holder): copy it off the disk and name each copy.',
    })
  }
  return { owners: owners.sort((a, b) => b.objects - a.objects), empty }
}

async function surveyOwner(name: string, paths: readonly string[]): Promise<CollectedOwner> {
  const shards = new Map<string, { numbers: Set<number>; file: string }>()
  let withShards = 0
  for (const path of paths) {
    const files = await readdir(path)
    if (files.some((file) => parseShardName(file) !== undefined)) withShards++
    for (const file of files) {
      const shard = parseShardName(file)
      if (shard === undefined) continue
      const known = shards.get(shard.id)
      if (known === undefined) shards.set(shard.id, { numbers: new Set([shard.number]), file: join(path, file) })
      else known.numbers.add(shard.number)
    }
  }
  const objects = [...shards.values()]
  const step = Math.max(1, Math.ceil(objects.length / looksAt))
  const chosen = objects.filter((_object, at) => at % step === 0)
  const counted: { have: number; need: number }[] = []
  for (const { numbers, file } of chosen) {
    const need = await readHeaderOf(file).then(({ k }) => k, () => Infinity) // damaged: the restore itself says so
    counted.push({ have: numbers.size, need })
  }
  const sound = counted.filter(({ need }) => need < Infinity)
  const [worst] = sound.toSorted((a, b) => (b.need - b.have) - (a.need - a.have))
  return {
    owner: ownerIdFromBytes(Buffer.from(name, 'hex')), folders: withShards, objects: objects.length, lookedAt: chosen.length,
    readable: counted.filter(({ have, need }) => have >= need).length, have: worst?.have ?? 0, need: worst?.need ?? 1,
  }
}

const readStates: Readonly<Record<string, string>> = { ENOENT: 'there is no such folder', ENOTDIR: 'it is a file, not a folder' }

/** Folders in `path` whose name `isWanted`, or `path` itself when it is one. Throws `file-unreadable`; what lies deeper and cannot be looked into is reported. */
export async function* ownerFolders(path: string, isWanted: (name: string) => boolean, report: Report, depth = deepest): AsyncGenerator<string> {
  const entries = await readdir(path, { withFileTypes: true }).catch((cause: NodeJS.ErrnoException) => {
    const error = new HoldfastError('file-unreadable', `Cannot look for shards in ${path}: ${readStates[cause.code ?? ''] ?? systemReason(cause)}`, {
      details: { path }, guidance: 'What is meant is a copy of the folder `holder` off a machine\'s disk, which you may read.', cause,
    })
    if (depth === deepest) throw error
    report(path, error)
    return undefined
  })
  if (entries === undefined) return
  if (isWanted(basename(path))) {
    yield path
    return
  }
  if (depth === 0) return
  for (const entry of entries) {
    if (entry.isDirectory()) yield* ownerFolders(join(path, entry.name), isWanted, report, depth - 1)
  }
}
