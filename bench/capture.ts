/**
 * How fast one file is captured into a folder on this disk, and read back: chunks, compression, encryption, Merkle
 * leaves, fdatasync, without a network.
 *
 *   node bench/capture.ts FILE [--store DIR] [--threads N] [--chunker fixed-16k|cdc-64k] [--restore]
 *
 * With a --store that is there, the run is an increment on it. Prints one JSON document; MB are 10^6 bytes.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, fstatSync, ftruncateSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { issueDeviceCertificate } from '../agent/identity/device.ts'
import { generateMachine, machineFromJson, machineToJson } from '../agent/identity/machine.ts'
import { generateWords, ownerFromWords } from '../agent/identity/owner.ts'
import type { ChunkerName } from '../agent/repository/chunker/chunker.ts'
import { createKeyring } from '../agent/repository/keyring.ts'
import { Repository, type RepositoryOptions } from '../agent/repository/repository.ts'
import { FolderStore } from '../test/support/folder-store.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    store: { type: 'string' }, threads: { type: 'string' }, chunker: { type: 'string', default: 'fixed-16k' }, restore: { type: 'boolean', default: false },
  },
})
const path = positionals[0]
if (path === undefined) throw new TypeError('Cannot capture: name a file')
const home = values.store ?? mkdtempSync(join(tmpdir(), 'holdfast-capture-'))
try {
  await using repository = await openRepository(home)
  process.stdout.write(`${JSON.stringify({ ...await measure(async () => await capture(repository)), ...values.restore ? { restore: await measure(async () => await restore(repository)) } : {} }, null, 1)}\n`)
} finally {
  if (values.store === undefined) rmSync(home, { recursive: true, force: true })
}

async function openRepository(home: string): Promise<Repository> {
  const store = new FolderStore(join(home, 'store'))
  const machinePath = join(home, 'machine.json')
  const known = existsSync(machinePath)
  const machine = known ? machineFromJson(readFileSync(machinePath, 'utf8')) : generateMachine()
  const options: Omit<RepositoryOptions, 'certificate'> = {
    store, heads: store, machine, directory: join(home, 'repository'), clock: Date.now, random: (length) => randomBytes(length),
    threads: values.threads === undefined ? undefined : Number(values.threads),
  }
  if (known) return await Repository.open({ ...options, certificate: readFileSync(join(home, 'certificate'), 'utf8') })
  const owner = ownerFromWords(generateWords())
  const certificate = await issueDeviceCertificate(owner, machine, 1, Date.now())
  mkdirSync(home, { recursive: true })
  writeFileSync(machinePath, machineToJson(machine))
  writeFileSync(join(home, 'certificate'), certificate)
  const keyring = createKeyring(owner.id, { random: options.random, recipients: [{ kid: machine.id, role: 'device', kx: machine.exchangeJwk }] })
  return await Repository.create({ ...options, certificate, keyring })
}

async function capture(repository: Repository): Promise<{ bytes: number, bytesNew: number, storedBytes: number }> {
  await using session = await repository.beginBackup({ host: 'bench' })
  const folder = dirname(path as string)
  const name = basename(path as string)
  const previous = (await session.previousFolder(session.previousRoot(folder))).get(name)
  const fd = openSync(path as string, 'r')
  try {
    const { size } = fstatSync(fd)
    const content = await session.addFile({ fd, size, chunker: values.chunker as ChunkerName, previous })
    const entries = await session.addDirectory([{ name, type: 'file', mode: 0o600, mtime: '0', size, content }])
    const result = await session.finish({ roots: [{ path: folder, entry: { name: 'bench', type: 'directory', mode: 0o700, mtime: '0', content: entries } }] })
    return { bytes: size, bytesNew: result.bytesNew, storedBytes: result.bytesStored }
  } finally {
    closeSync(fd)
  }
}

async function restore(repository: Repository): Promise<{ bytes: number }> {
  const snapshot = await repository.snapshot('latest')
  const entry = await repository.entry(snapshot, join(dirname(path as string), basename(path as string)))
  if (entry.type !== 'file') throw new TypeError('Cannot restore: it is no file')
  const target = join(home, 'restored')
  const fd = openSync(target, 'w')
  try {
    ftruncateSync(fd, entry.size)
    await repository.restore([{ content: entry.content, target: { fd, fault: (cause) => { throw cause } }, done: (error) => { if (error !== undefined) throw error } }])
    return { bytes: entry.size }
  } finally {
    closeSync(fd)
    rmSync(target)
  }
}

async function measure<T extends { bytes: number }>(work: () => Promise<T>): Promise<T & { seconds: number, cpuSeconds: number, MBps: number, peakRssMiB: number }> {
  const cpu = process.cpuUsage()
  const start = process.hrtime.bigint()
  const result = await work()
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  const { user, system } = process.cpuUsage(cpu)
  return {
    ...result, seconds: round(seconds), cpuSeconds: round((user + system) / 1e6), MBps: Math.round(result.bytes / seconds / 1e6),
    peakRssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  }
}

function round(seconds: number): number {
  return Math.round(seconds * 100) / 100
}
