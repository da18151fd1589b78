/** `holdfast demo`: the whole story on one machine, with real processes, real TLS and a real archive. */
import { createHash, randomInt } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { copyFile, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { AgentProcess } from '../demo/agent-process.ts'
import { createArchive, growArchive } from '../demo/outlook-archive/archive.ts'
import type { CommandResult } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import type { Invocation } from './arguments.ts'
import { formatBytes, formatDuration } from './format.ts'
import { parseBytes, parseNumber } from './numbers.ts'
import { ProgressLine } from './progress-line.ts'

const defaultArchiveBytes = 200_000_000
const growthBytes = 4_000_000
const machinesToLose = 3
const onlineAttempts = 40

interface Story {
  readonly directory: string
  readonly agents: AgentProcess[]
  readonly figures: Record<string, number | string>
  readonly signal: AbortSignal
  readonly tell: (line: string) => void
}

/** Exit code 0 when every restored byte was the same. The group goes on running until Ctrl-C unless `--exit`. */
export async function runDemo(invocation: Invocation, signal: AbortSignal): Promise<number> {
  const option = (name: string) => invocation.values[name] as string | undefined
  const machines = parseNumber('machines', option('machines') ?? '7', { min: 7, max: 20 })
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-demo-'))
  const tell = (line: string) => void (invocation.json ? process.stderr : process.stdout).write(`${line}\n`)
  const story: Story = { directory, agents: [], figures: {}, signal, tell }
  try {
    const archive = await prepareArchive(story, option('file'), parseBytes(option('size') ?? String(defaultArchiveBytes)))
    const kit = await foundGroup(story, machines)
    await protectAndGrow(story, archive)
    await loseMachinesAndRestore(story, archive)
    const recovered = await loseOwnerAndRecover(story, archive, kit)
    await bringBackAndRepair(story, recovered)
    await protectAgain(story, recovered, archive)
    await colleaguesProtect(story)
    if (invocation.json) process.stdout.write(`${JSON.stringify(story.figures)}\n`)
    if (invocation.values['exit'] !== true) await keepRunning(story)
    return 0
  } finally {
    await Promise.all(story.agents.map((agent) => agent.stop()))
    await rm(directory, { recursive: true, force: true })
  }
}

async function prepareArchive(story: Story, file: string | undefined, bytes: number): Promise<string> {
  await mkdir(join(story.directory, 'documents'))
  if (file !== undefined) {
    const copy = join(story.directory, 'documents', basename(file))
    await copyFile(file, copy)
    story.tell(`1. Your archive ${file} (${formatBytes((await stat(copy)).size)}), as a copy that the demo may lose.`)
    return copy
  }
  const path = join(story.directory, 'documents', 'archive.pst')
  using line = new ProgressLine(process.stderr)
  const made = await createArchive(path, {
    bytes, seed: 1, signal: story.signal,
    onProgress: (done: number) => line.update({ stage: 'writing an Outlook archive', bytesDone: done, bytesTotal: bytes }),
  })
  story.tell(`1. An Outlook archive of ${formatBytes(made.size)} with ${made.messages} messages.`)
  return path
}

async function foundGroup(story: Story, machines: number): Promise<{ words: string; locator: string }> {
  for (let number = 1; number <= machines; number++) story.agents.push(await startMachine(story, number))
  const [founder, ...others] = story.agents as [AgentProcess, ...AgentProcess[]]
  const roster = join(story.directory, 'shared-folder')
  await mkdir(roster)
  await founder.run('network create', { name: 'Demo', roster: `folder:${roster}`, redundancy: 'auto', label: founder.machine })
  const { invitation } = await founder.run('network invite', { count: machines - 1 })
  for (const other of others) await other.run('network join', { invitation, label: other.machine })
  const kit = await founder.run('key show', {})
  await founder.run('key confirm', {})
  story.tell(`2. A work group of ${machines} agents, each a process of its own; the roster is a plain folder. The recovery kit is written down.`)
  return kit
}

async function startMachine(story: Story, number: number): Promise<AgentProcess> {
  return await AgentProcess.start({ home: join(story.directory, `machine-${number}`), machine: `machine-${number}` })
}

async function protectAndGrow(story: Story, archive: string): Promise<void> {
  const owner = story.agents[0] as AgentProcess
  await owner.run('protect', { paths: [archive] })
  const first = await backup(story, owner, 'first backup')
  const { size } = await stat(archive)
  story.tell(`3. First backup: ${formatBytes(first.bytesRead)} in ${formatDuration(first.seconds)} (${formatBytes(first.bytesRead / first.seconds)}/s), ${formatBytes(first.bytesStored)} packed, ${formatBytes(first.bytesSent)} sent with redundancy; ${describe(first)}.`)
  const grown = await growArchive(archive, { bytes: growthBytes, deleteMessages: 5, seed: randomInt(1, 2 ** 31) })
  const second = await backup(story, owner, 'growth')
  story.tell(`4. The archive grows as Outlook writes it (${formatBytes(grown.bytesWritten)} written in place): ${formatBytes(second.bytesStored)} packed and ${formatBytes(second.bytesSent)} sent with redundancy, of ${formatBytes((await stat(archive)).size)}; ${describe(second)}.`)
  Object.assign(story.figures, {
    archiveBytes: size, firstSeconds: first.seconds, firstStored: first.bytesStored, firstSent: first.bytesSent,
    growthWritten: grown.bytesWritten, growthStored: second.bytesStored, growthSent: second.bytesSent, protection: second.protection.state,
  })
}

async function backup(story: Story, owner: AgentProcess, stage: string): Promise<CommandResult<'backup'>> {
  using line = new ProgressLine(process.stderr)
  return await owner.run('backup', {}, { signal: story.signal, onProgress: (progress) => line.update({ ...progress, stage }) })
}

const describe = ({ protection }: CommandResult<'backup'>) => `${protection.state}, ${protection.survives} more machines may be lost`

async function loseMachinesAndRestore(story: Story, archive: string): Promise<void> {
  const lost = story.agents.slice(-machinesToLose)
  await Promise.all(lost.map((agent) => agent.kill()))
  const restored = await restoreAndCompare(story, story.agents[0] as AgentProcess, archive, 'after-three-losses')
  story.tell(`5. ${lost.map((agent) => agent.machine).join(', ')} are gone (SIGKILL). Restore: ${formatBytes(restored.bytes)} in ${formatDuration(restored.seconds)} (${formatBytes(restored.bytes / restored.seconds)}/s), every byte the same.`)
  story.figures['restoreSeconds'] = restored.seconds
}

async function loseOwnerAndRecover(story: Story, archive: string, kit: { words: string; locator: string }): Promise<AgentProcess> {
  const owner = story.agents[0] as AgentProcess
  await owner.kill()
  await rm(owner.home, { recursive: true })
  const fresh = await startMachine(story, story.agents.length + 1)
  story.agents[0] = fresh
  const recovered = await fresh.run('recover', { words: kit.words, locator: kit.locator, label: fresh.machine }, { signal: story.signal })
  const restored = await restoreAndCompare(story, fresh, archive, 'on-the-new-machine')
  story.tell(`6. The owner's machine is lost with its disk. On an empty one, with the 24 words: ${recovered.snapshots} snapshots found on ${recovered.holders} machines, archive back in ${formatDuration(restored.seconds)}, every byte the same. The lost machine is shut out (epoch ${recovered.epoch}).`)
  Object.assign(story.figures, { recoveredSnapshots: recovered.snapshots, recoverRestoreSeconds: restored.seconds, identical: 'yes' })
  return fresh
}

async function restoreAndCompare(story: Story, agent: AgentProcess, archive: string, name: string): Promise<CommandResult<'restore'>> {
  const target = join(story.directory, name)
  using line = new ProgressLine(process.stderr)
  const restored = await agent.run('restore', { snapshot: 'latest', target }, { signal: story.signal, onProgress: line.update })
  const [copy] = restored.written
  if (copy === undefined || await digest(copy) !== await digest(archive)) {
    throw new HoldfastError('object-damaged', `Cannot call the demo a success: ${copy ?? 'nothing'} differs from ${archive}`)
  }
  return restored
}

async function digest(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash)
  return hash.digest('hex')
}

async function bringBackAndRepair(story: Story, owner: AgentProcess): Promise<void> {
  for (const [index, agent] of story.agents.entries()) {
    if (index >= story.agents.length - machinesToLose) story.agents[index] = await AgentProcess.start({ home: agent.home, machine: agent.machine })
  }
  await untilOnline(story, owner)
  const repaired = await owner.run('repair', {}, { signal: story.signal })
  story.tell(`7. The three come back; repair checked ${repaired.objects} objects and made ${repaired.rebuilt} shards anew: ${repaired.protection.state}, ${repaired.protection.survives} more machines may be lost.`)
}

/** A person goes on working on the new machine; its pane then shows how all of it stands. */
async function protectAgain(story: Story, owner: AgentProcess, archive: string): Promise<void> {
  await owner.run('protect', { paths: [archive] })
  const again = await backup(story, owner, 'next backup')
  story.tell(`8. The new machine goes on protecting the archive: ${formatBytes(again.bytesSent)} sent; ${describe(again)}.`)
}

/** All but one, so that the pane has something to tell. */
async function colleaguesProtect(story: Story): Promise<void> {
  const colleagues = story.agents.slice(1, -1)
  for (const agent of colleagues) {
    const folder = join(story.directory, `documents-of-${agent.machine}`)
    await mkdir(folder)
    await writeFile(join(folder, 'notes.txt'), `Notes of ${agent.machine}.\n`.repeat(500))
    await agent.run('protect', { paths: [folder] }, { signal: story.signal })
    await agent.run('backup', {}, { signal: story.signal })
  }
  const forgetful = story.agents.at(-1)?.machine
  story.tell(`9. ${colleagues.length} colleagues protect a folder of theirs as well; ${forgetful} has chosen nothing yet, and the pane says so to everybody.`)
}

/** The owner hears of their new addresses by gossip, within seconds. */
async function untilOnline(story: Story, owner: AgentProcess): Promise<void> {
  const wanted = story.agents.map((agent) => agent.ready.id)
  for (let attempt = 0; attempt < onlineAttempts; attempt++) {
    const { peers } = await owner.run('peers', {}, { signal: story.signal })
    if (wanted.every((id) => peers.some((peer) => peer.id === id && peer.state === 'online'))) return
    await delay(500, undefined, { signal: story.signal })
  }
}

async function keepRunning(story: Story): Promise<void> {
  story.tell('\nThe group goes on running; Ctrl-C ends it and removes its files.')
  for (const agent of story.agents) story.tell(`  ${agent.machine.padEnd(11)} pane ${agent.ready.pane}  peers ${agent.ready.peer}  --home ${agent.home}`)
  const home = story.agents[0]?.home
  story.tell(`\nSee it in a browser, from another terminal:\n  ./holdfast doctor --fix --home ${home}   (once: the browser then trusts the pane's certificate; --unfix takes it back)\n  ./holdfast open --home ${home}`)
  if (!story.signal.aborted) await new Promise((resolve) => story.signal.addEventListener('abort', resolve, { once: true }))
}
