/** A repository over a folder store in a temporary folder, and backups of files made of bytes. */
import { randomBytes } from 'node:crypto'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { issueDeviceCertificate } from '../../agent/identity/device.ts'
import { type Machine, generateMachine } from '../../agent/identity/machine.ts'
import { type OwnerRoot, generateWords, ownerFromWords } from '../../agent/identity/owner.ts'
import type { BackupHooks, BackupRequest, BackupResult, BackupSession } from '../../agent/repository/backup-session.ts'
import type { ChunkerName } from '../../agent/repository/chunker/chunker.ts'
import { type Keyring, createKeyring } from '../../agent/repository/keyring.ts'
import { Repository, type RepositoryOptions } from '../../agent/repository/repository.ts'
import type { FileContent } from '../../agent/repository/content.ts'
import type { Entry } from '../../agent/repository/tree.ts'
import type { Snapshot } from '../../agent/repository/snapshot.ts'
import { FolderStore } from './folder-store.ts'

export interface TestDevice {
  readonly directory: string
  readonly store: FolderStore
  readonly owner: OwnerRoot
  readonly machine: Machine
  readonly options: RepositoryOptions
  readonly keyring: Keyring
  now: number
}

/** A device with a fresh owner; everything goes when the test ends. */
export async function makeDevice(t: TestContext, overrides: Partial<RepositoryOptions> & { owner?: OwnerRoot, epoch?: number } = {}): Promise<TestDevice> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-repository-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const { owner = ownerFromWords(generateWords()), epoch = 1, ...given } = overrides
  const machine = generateMachine()
  const store = new FolderStore(join(directory, 'store'))
  const device = { directory, store, owner, machine, now: Date.parse('2026-01-05T08:00:00Z') } as TestDevice & { options: RepositoryOptions, keyring: Keyring }
  device.options = {
    store, heads: store, machine, certificate: await issueDeviceCertificate(owner, machine, epoch, device.now), directory: join(directory, 'repository'),
    clock: () => device.now++, random: (length) => randomBytes(length), threads: 1, ...given,
  }
  device.keyring = createKeyring(owner.id, { random: (length) => randomBytes(length), recipients: recipientsOf(owner, machine) })
  return device
}

export function recipientsOf(owner: OwnerRoot, machine: Machine): Keyring['recipients'] {
  return [{ kid: owner.id, role: 'owner', kx: owner.exchangeJwk }, { kid: machine.id, role: 'device', kx: machine.exchangeJwk }]
}

export async function createRepository(device: TestDevice): Promise<Repository> {
  return await Repository.create({ ...device.options, keyring: device.keyring })
}

export interface TestFile {
  readonly bytes: Uint8Array
  readonly chunker?: ChunkerName
}

/** Backs up one flat folder `/data` of files made of bytes. */
export async function backUp(
  device: TestDevice, repository: Repository, files: Record<string, TestFile>, options: BackupHooks & Partial<BackupRequest> = {},
): Promise<BackupResult> {
  await using session = await repository.beginBackup({ host: 'test', ...options }, options)
  const entries = await addFiles(device, session, files)
  const content = await session.addDirectory(entries)
  return await session.finish({ roots: [{ path: '/data', entry: { name: 'data', type: 'directory', mode: 0o755, mtime: '0', content } }] })
}

export async function addFiles(device: TestDevice, session: BackupSession, files: Record<string, TestFile>): Promise<Entry[]> {
  const before = await session.previousFolder(session.previousRoot('/data'))
  const folder = join(device.directory, 'files')
  mkdirSync(folder, { recursive: true })
  return await Promise.all(Object.entries(files).map(async ([name, { bytes, chunker = 'fixed-16k' }]): Promise<Entry> => {
    writeFileSync(join(folder, name), bytes)
    const fd = openSync(join(folder, name), 'r')
    try {
      const content = await session.addFile({ fd, size: bytes.length, chunker, previous: before.get(name) })
      return { name, type: 'file', mode: 0o644, mtime: '1', size: bytes.length, content }
    } finally {
      closeSync(fd)
    }
  }))
}

/** Reads files of `/data` back by restore(), into memory. */
export async function readBack(repository: Repository, snapshot: Snapshot): Promise<Record<string, Buffer>> {
  const found: Record<string, Buffer> = {}
  const items = []
  for await (const { path, entry } of repository.walk(snapshot)) {
    if (entry.type === 'file') items.push({ name: path.slice('/data/'.length), content: entry.content })
  }
  await repository.restore(items.map(({ name, content }: { name: string, content: FileContent }) => {
    const bytes = Buffer.alloc(content.size)
    return {
      content, target: { write: (offset: number, part: Uint8Array) => bytes.set(part, offset) },
      done: (error?: Error) => { if (error !== undefined) throw error; found[name] = bytes },
    }
  }))
  return found
}
