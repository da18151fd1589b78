import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { HoldfastError } from '../shared/errors.ts'
import { configSchema, withDefaults } from '../agent/config.ts'
import { homeAt, lockHome, makeFolders } from '../agent/home.ts'
import { openAgent } from '../agent/main.ts'
import { FolderRoster } from '../agent/network/roster/folder.ts'
import { makeFolders as makeTargetFolders } from '../agent/source/target-path.ts'
import { scratchFolder } from './support/scratch-folder.ts'

const says = (message: RegExp, guidance = /./) => (error: unknown) => error instanceof HoldfastError && message.test(error.message) && guidance.test(error.guidance)
/** There nobody makes a folder, and mkdir says that something does not exist. */
const noFolders = { skip: process.platform === 'linux' ? false : 'Linux alone has /proc' }

test('a place where nobody can make a folder is told as that, and not as one that is missing', noFolders, async () => {
  assert.throws(() => lockHome(homeAt('/proc/home')), says(/^Cannot make the folder \/proc\/home: the system lets nobody make one there$/, /--home DIR/))
  assert.throws(() => { makeFolders('/proc/a/b') }, says(/^Cannot make the folder \/proc\/a: the system lets/))
  await assert.rejects(makeTargetFolders('/proc/a/b'), says(/^Cannot write \/proc\/a: the system lets nobody make a folder in \/proc$/))
  await assert.rejects(new FolderRoster('/proc/roster').prepare(), says(/: the system lets nobody make a folder in \/proc$/))
  await assert.rejects(new FolderRoster('/nowhere/roster').prepare(), says(/: \/nowhere is not there$/))
})

test('a roster below a file says which of the two is the file', async (t) => {
  const file = join(await scratchFolder(t), 'file')
  await writeFile(file, '')
  await assert.rejects(new FolderRoster(join(file, 'roster')).prepare(), says(/file is not a folder$/))
  await assert.rejects(new FolderRoster(file).list(), says(/: it is not a folder$/))
  await assert.rejects(makeTargetFolders(join(file, 'target')), says(/: something above it is a file, not a folder$/))
})

test('why a peer door cannot be opened is told, with what helps', async (t) => {
  const folder = await scratchFolder(t)
  const open = async (peerAddress: { host: string; port: number }) => {
    const config = withDefaults(configSchema.parse({ peerAddress, paneAddress: { port: 0 } }))
    await using agent = await openAgent(homeAt(join(folder, 'home')), { config, serve: true, signal: new AbortController().signal })
    return agent.peerAddress
  }
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.after(() => other.close())
  const { port } = other.address() as { port: number }
  await assert.rejects(open({ host: '127.0.0.1', port }), says(new RegExp(`: port ${port} is taken$`), /--peer-port/))
  await assert.rejects(open({ host: 'nohost.invalid', port: 0 }), says(/: the name nohost\.invalid cannot be resolved$/, /address of this machine/))
  await assert.rejects(open({ host: '203.0.113.1', port: 0 }), says(/: this machine does not have the address 203\.0\.113\.1$/))
})
