/** `restore --from DIR…`: from shard folders copied off holders' disks and the words, with no living group. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CommandResult, Progress } from '../../shared/api.ts'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { shortId } from '../../shared/ids.ts'
import { issueDeviceCertificate } from '../identity/device.ts'
import { generateMachine } from '../identity/machine.ts'
import { ownerFromWords } from '../identity/owner.ts'
import { CollectedStore } from '../network/collected-store.ts'
import { addRecipient } from '../repository/keyring.ts'
import { ownerOpener, recoverKeyring } from '../repository/recovery.ts'
import { Repository } from '../repository/repository.ts'
import { headNotices } from './freshness.ts'
import { restoreSnapshot } from './restore-snapshot.ts'

export interface CollectedRequest {
  readonly snapshot: string
  readonly path: string
  readonly target: string
  readonly overwrite: boolean
  readonly folders: readonly string[]
  readonly words: string
}

/** Throws `recovery-words-invalid`, `not-found`, `object-missing` (which and how many are missing), and what restore throws. */
export async function restoreFromFolders(request: CollectedRequest, options: { signal: AbortSignal; onProgress: (progress: Progress) => void }): Promise<CommandResult<'restore'>> {
  const startedMs = performance.now()
  const root = ownerFromWords(request.words)
  const damaged: { path: string; reason: string }[] = []
  options.onProgress({ stage: 'looking through the folders' })
  const store = await CollectedStore.open({
    owner: root.id, folders: request.folders,
    report: (path, error) => { damaged.push({ path, reason: error instanceof Error ? error.message : 'unusable' }) },
  })
  const { keyring, epoch } = await recoverKeyring({ store, heads: store, owner: root.id, opener: ownerOpener(root) }, { signal: options.signal }).catch((error: unknown) => { throw withMoreFolders(error) })
  // A machine for the moment: its key opens the local index, its certificate is shown to nobody.
  const machine = generateMachine()
  const certificate = await issueDeviceCertificate(root, machine, epoch, Date.now())
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-restore-'))
  try {
    await using repository = await Repository.create({
      store, heads: store, machine, certificate, directory: join(directory, 'repository'), clock: Date.now, random: (length) => randomBytes(length),
      keyring: addRecipient(keyring, { kid: machine.id, role: 'device', kx: machine.exchangeJwk }),
    })
    const report = await repository.refresh({ signal: options.signal })
    const restored = await restoreSnapshot(repository, { ...request, restoredAt: new Date() }, options).catch(async (error: unknown) => { throw await withWhatThereIs(error, repository, options.signal) })
    return {
      ...restored, skipped: [...restored.skipped, ...damaged], seconds: (performance.now() - startedMs) / 1000,
      freshness: { answered: 0, asked: 0, newest: 'found', notices: headNotices(report) },
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** No machine can be switched on here: what lacks lies on other disks. */
function withMoreFolders(error: unknown): unknown {
  if (!hasCode(error, 'object-missing', 'object-damaged', 'not-found')) return error
  return new HoldfastError(error.code, error.message, { details: error.details, guidance: 'Copy the folder `holder` of more machines off their disks, and name each copy with --from.', cause: error })
}

const listed = 10

/** Without an agent nobody can list snapshots: an error names those that are there. */
async function withWhatThereIs(error: unknown, repository: Repository, signal: AbortSignal): Promise<unknown> {
  if (!hasCode(error, 'not-found')) return withMoreFolders(error)
  const { snapshots } = await repository.snapshots({ signal })
  const newest = snapshots.slice(-listed).reverse().map(({ id, time, roots }) => `${shortId(id)} of ${time.slice(0, 10)} with ${roots.map(({ path }) => path).join(', ')}`)
  return new HoldfastError('not-found', error.message, {
    details: error.details, guidance: snapshots.length === 0 ? 'No snapshot lies there.' : `There are${snapshots.length > listed ? `, newest first of ${snapshots.length}` : ''}: ${newest.join('; ')}`, cause: error,
  })
}
