/** A work group with something in it, as a person has it: an Outlook archive and a folder, backed up, grown since. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createArchive, growArchive } from '../../agent/demo/outlook-archive/archive.ts'
import { AgentProcess } from '../../agent/demo/agent-process.ts'
import { type ProcessGroup, commandLine, startGroup } from './process-group.ts'

const archiveBytes = 3_000_000

export interface Scene extends AsyncDisposable {
  readonly group: ProcessGroup
  /** Its user has the archive. */
  readonly owner: AgentProcess
  readonly documents: string
  readonly archive: string
}

/** `backups`: how many snapshots there are; before each but the first the archive grows. */
export async function startScene(machines: number | readonly string[], backups: number): Promise<Scene> {
  await using stack = new AsyncDisposableStack()
  const group = stack.use(await startGroup(machines))
  const owner = group.agents[0] as AgentProcess
  const documents = join(group.directory, 'documents')
  const archive = join(documents, 'archive.pst')
  await mkdir(join(documents, 'plans'), { recursive: true })
  await writeFile(join(documents, 'plans', 'budget 2026.txt'), 'rent 1200\n')
  await writeFile(join(documents, 'plans', 'guests.txt'), 'Ana, Bo, Chi\n')
  await createArchive(archive, { bytes: archiveBytes, seed: 1 })
  await owner.run('protect', { paths: [archive, join(documents, 'plans')] })
  for (let number = 1; number <= backups; number++) {
    if (number > 1) await growArchive(archive, { bytes: 200_000, deleteMessages: 2, seed: number })
    await owner.run('backup', {})
  }
  const owned = stack.move()
  return { group, owner, documents, archive, [Symbol.asyncDispose]: async () => { await owned[Symbol.asyncDispose]() } }
}

/** The part of the address that `holdfast open` opens which connects a pane, once. */
export async function ticketHash(agent: AgentProcess): Promise<string> {
  const { stdout, stderr } = await commandLine(['open', '--print', '--home', agent.home])
  const hash = /#ticket=\S+/u.exec(stdout)?.[0]
  if (hash === undefined) throw new Error(`holdfast open printed no ticket: ${stdout}${stderr}`)
  return hash
}

/** The code that `holdfast open --code` shows, as it is shown. */
export async function pairingCode(agent: AgentProcess): Promise<string> {
  const { stdout, stderr } = await commandLine(['open', '--code', '--json', '--home', agent.home])
  try {
    return (JSON.parse(stdout) as { code: string }).code
  } catch (cause) {
    throw new Error(`holdfast open printed no code: ${stdout}${stderr}`, { cause })
  }
}

const clock = fileURLToPath(new URL('shift-clock.mjs', import.meta.url))

/** Gives a colleague something and backs it up so many days ago, by an agent that believes it is then; `drill`: a restore is tried then, too. */
export async function backUpBefore(scene: Scene, index: number, days: number, { drill = false } = {}): Promise<void> {
  const { agents, directory } = scene.group
  const colleague = agents[index] as AgentProcess
  const { home, machine } = colleague
  const folder = join(directory, `${machine}'s files`)
  await mkdir(folder)
  await writeFile(join(folder, 'notes.txt'), `notes of ${machine}\n`)
  await colleague.stop()
  const then = await AgentProcess.start({ home, machine, environment: { NODE_OPTIONS: `--import ${clock}`, HOLDFAST_TEST_CLOCK_DAYS: String(-days) } })
  agents[index] = then
  await then.run('protect', { paths: [folder] })
  await then.run('settings', { change: { schedule: { cron: null } } })
  await then.run('backup', {})
  if (drill) await then.run('drill', {})
  await then.stop()
  agents[index] = await AgentProcess.start({ home, machine })
}
