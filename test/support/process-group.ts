/** A work group of real agent processes in a temporary folder, ended and removed with the test. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AgentProcess } from '../../agent/demo/agent-process.ts'

const launcher = fileURLToPath(new URL('../../agent/cli/holdfast.ts', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command line as a process of its own. */
export async function commandLine(args: readonly string[], options: { stdin?: string; environment?: NodeJS.ProcessEnv; preload?: string } = {}): Promise<Ended> {
  const preload = options.preload === undefined ? [] : ['--import', options.preload]
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...preload, launcher, ...args], {
    stdio: 'pipe', env: { ...process.env, ...options.environment },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (data) => { stdout += String(data) })
  child.stderr.on('data', (data) => { stderr += String(data) })
  child.stdin.on('error', () => {}) // it may end without reading
  child.stdin.end(options.stdin ?? '')
  const [code] = await once(child, 'close') as [number | null]
  return { code, stdout, stderr }
}

export interface ProcessGroup extends AsyncDisposable {
  readonly directory: string
  readonly roster: string
  /** The first is the founder. */
  readonly agents: AgentProcess[]
  readonly kit: { readonly words: string; readonly locator: string }
  /** One more, or one of them again after its end. */
  start(name: string, home?: string): Promise<AgentProcess>
}

/** `machines`: how many, or their names. `founderConfig`: the founder's config.json. */
export async function startGroup(machines: number | readonly string[], options: { redundancy?: string; quota?: string; founderConfig?: object } = {}): Promise<ProcessGroup> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-test-'))
  const roster = join(directory, 'roster')
  await mkdir(roster)
  const agents: AgentProcess[] = []
  const extra: AgentProcess[] = []
  const launch = async (name: string, home = join(directory, name)) => await AgentProcess.start({ home, machine: name, ...(options.quota === undefined ? {} : { quota: options.quota }) })
  try {
    const names = typeof machines === 'number' ? Array.from({ length: machines }, (_each, index) => `machine-${index + 1}`) : machines
    if (options.founderConfig !== undefined) {
      await mkdir(join(directory, names[0] ?? ''))
      await writeFile(join(directory, names[0] ?? '', 'config.json'), JSON.stringify(options.founderConfig))
    }
    for (const name of names) agents.push(await launch(name))
    const [founder, ...others] = agents as [AgentProcess, ...AgentProcess[]]
    await founder.run('network create', { name: 'Test', roster: `folder:${roster}`, redundancy: options.redundancy ?? 'auto', label: founder.machine })
    if (others.length > 0) {
      const { invitation } = await founder.run('network invite', { count: others.length })
      for (const other of others) await other.run('network join', { invitation, label: other.machine })
    }
    const kit = await founder.run('key show', {})
    return {
      directory, roster, agents, kit,
      async start(name, home) {
        const agent = await launch(name, home)
        extra.push(agent)
        return agent
      },
      async [Symbol.asyncDispose]() {
        await Promise.all([...agents, ...extra].map(async (agent) => await agent.kill()))
        await rm(directory, { recursive: true, force: true })
      },
    }
  } catch (error) {
    await Promise.all(agents.map(async (agent) => await agent.kill()))
    await rm(directory, { recursive: true, force: true })
    throw error
  }
}
