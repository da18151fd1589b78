/** Holdfast, restic and borg behind one interface, each as its documentation sets it up: local repository, encryption on. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { AgentProcess } from '../agent/demo/agent-process.ts'
import { type Cost, cpuSecondsOf, measureCommand, peakMiBOf, resetPeak } from './measure.ts'

export interface Step extends Cost {
  /** Bytes that the repository, or all holders together, grew by. */
  readonly storedBytes: number
  /** Bytes given to the network or the repository before redundancy. */
  readonly sentBytes: number
  /** CPU seconds of the holders, where they are processes of their own. */
  readonly holdersCpuSeconds?: number
}

export interface Contestant extends AsyncDisposable {
  readonly name: string
  backup(file: string): Promise<Step>
  restore(target: string): Promise<Step>
}

const password = 'bench'

export function restic(directory: string): Contestant {
  const repository = join(directory, 'restic')
  const environment = { RESTIC_PASSWORD: password, RESTIC_REPOSITORY: repository, RESTIC_CACHE_DIR: join(directory, 'restic-cache') }
  execFileSync('restic', ['init', '--quiet'], { env: { ...process.env, ...environment } })
  return commandContestant('restic', repository, {
    backup: async (file) => await measureCommand('restic', ['backup', '--quiet', file], environment),
    restore: async (target) => await measureCommand('restic', ['restore', 'latest', '--quiet', '--target', target], environment),
  })
}

export function borg(directory: string): Contestant {
  const repository = join(directory, 'borg')
  const environment = { BORG_PASSPHRASE: password, BORG_BASE_DIR: join(directory, 'borg-base'), BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes' }
  execFileSync('borg', ['init', '--encryption=repokey', repository], { env: { ...process.env, ...environment }, stdio: 'ignore' })
  let number = 0
  return commandContestant('borg', repository, {
    backup: async (file) => await measureCommand('borg', ['create', `${repository}::run${++number}`, file], environment),
    restore: async (target) => {
      mkdirSync(target, { recursive: true })
      return await measureCommand('bash', ['-c', `cd "$0" && exec borg extract "$1"`, target, `${repository}::run${number}`], environment)
    },
  })
}

function commandContestant(name: string, repository: string, run: { backup(file: string): Promise<Cost>; restore(target: string): Promise<Cost> }): Contestant {
  const measured = async (step: () => Promise<Cost>): Promise<Step> => {
    const before = sizeOf(repository)
    const cost = await step()
    const storedBytes = sizeOf(repository) - before
    return { ...cost, storedBytes, sentBytes: storedBytes }
  }
  return {
    name,
    backup: async (file) => await measured(async () => await run.backup(file)),
    restore: async (target) => await measured(async () => await run.restore(target)),
    async [Symbol.asyncDispose]() { rmSync(repository, { recursive: true, force: true }) },
  }
}

/** A group of seven agents on this machine, 3-of-6. */
export async function holdfast(directory: string): Promise<Contestant> {
  const agents: AgentProcess[] = []
  for (let number = 1; number <= 7; number++) {
    agents.push(await AgentProcess.start({ home: join(directory, `machine-${number}`), machine: `machine-${number}` }))
  }
  const [owner, ...holders] = agents as [AgentProcess, ...AgentProcess[]]
  mkdirSync(join(directory, 'roster'))
  await owner.run('network create', { name: 'Bench', roster: `folder:${join(directory, 'roster')}`, redundancy: '3-of-6' })
  const { invitation } = await owner.run('network invite', { count: holders.length })
  for (const holder of holders) await holder.run('network join', { invitation })
  const holdersCpu = () => holders.reduce((sum, holder) => sum + cpuSecondsOf(holder.pid), 0)
  const stored = () => holders.reduce((sum, holder) => sum + sizeOf(join(holder.home, 'holder')), 0)
  const measured = async <T>(step: () => Promise<T>) => {
    resetPeak(owner.pid)
    const before = { cpu: cpuSecondsOf(owner.pid), holders: holdersCpu(), stored: stored() }
    const started = performance.now()
    const result = await step()
    const seconds = (performance.now() - started) / 1000
    const cpuSeconds = cpuSecondsOf(owner.pid) - before.cpu
    return { result, cost: { seconds, cpuSeconds, peakMiB: peakMiBOf(owner.pid), storedBytes: stored() - before.stored, holdersCpuSeconds: holdersCpu() - before.holders } }
  }
  return {
    name: 'holdfast',
    async backup(file) {
      await owner.run('protect', { paths: [file] })
      const { result, cost } = await measured(async () => await owner.run('backup', { paths: [file] }))
      if (result.protection.state !== 'protected') throw new Error(`the group is only ${result.protection.state}: ${result.protection.placed} of ${result.protection.wanted}`)
      return { ...cost, sentBytes: result.bytesStored }
    },
    async restore(target) {
      const { cost } = await measured(async () => await owner.run('restore', { snapshot: 'latest', target }))
      return { ...cost, sentBytes: 0 }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(agents.map(async (agent) => await agent.kill()))
      for (const agent of agents) rmSync(agent.home, { recursive: true, force: true })
      rmSync(join(directory, 'roster'), { recursive: true, force: true })
    },
  }
}

function sizeOf(path: string): number {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}

/** Refuses to compare with what is not there. */
export function requireTools(): void {
  for (const tool of ['restic', 'borg']) {
    try {
      execFileSync(tool, [tool === 'restic' ? 'version' : '--version'], { stdio: 'ignore' })
    } catch (cause) {
      throw new Error(`Cannot compare: ${tool} is not installed (Debian: apt-get install restic borgbackup)`, { cause })
    }
  }
}

export const benchDirectory = (): string => join(dirname(import.meta.dirname), '.bench')
