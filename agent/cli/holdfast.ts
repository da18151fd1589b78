/**
 * The command line. A command runs in the agent of the home when one is running, else in this process for as long as it
 * takes. stdout carries the result alone (one JSON document with --json), stderr progress and what went wrong.
 * What a command does not need is not loaded: the agent is most of the program, and who asks a running one needs none of it.
 */
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type CommandName, type CommandRequest, type CommandResult, commands } from '../../shared/api.ts'
import { HoldfastError, toProblem } from '../../shared/errors.ts'
import { plainIssues } from '../../shared/plain-issues.ts'
import { readConfig, resolveHome } from '../config.ts'
import { type Home, homeAt, readFileIfThere } from '../home.ts'
import { agentRunner } from '../http/agent-client.ts'
import { parseRuntime } from '../http/runtime-file.ts'
import { type Invocation, helpText, parseInvocation, toRequest, usageError, usageOf } from './arguments.ts'
import { parseNumber } from './numbers.ts'
import { ProgressLine } from './progress-line.ts'
import { printable } from './format.ts'
import { changeLines } from './render-settings.ts'
import { inviteNote, isOnlyOff, partlyWhy, renderers } from './render.ts'
import { explainTaken, noAgentNote, requireHome } from './require-home.ts'
import { readSecret, readWords } from './secrets.ts'
import { untilFree } from './until-free.ts'

const minimumNode = [24, 8] as const

/** What cannot be taken back is asked for; `--yes` answers. */
const questions: Record<string, string> = {
  'key confirm': 'The words will be erased from this machine. Is the kit stored safely?',
  'network revoke': 'The machine will be shut out for good: it comes back with a new invitation only, as another machine. Shut it out?',
  'network leave': 'This machine will hand over what it keeps for others and leave the work group; nothing of it is backed up there any more. Leave?',
  'handed-over remove': 'Neither you nor anybody else will be able to open this backup, but for its owner with the recovery kit. Drop it?',
  'network admin remove': 'The admin\'s key will be taken away for good. Take it away?',
}

process.exitCode = await main(process.argv.slice(2))

async function main(argv: readonly string[]): Promise<number> {
  const json = argv.includes('--json')
  const controller = new AbortController()
  try {
    requireNode()
    const invocation = parseInvocation(argv)
    if ('version' in invocation) return say(packageVersion())
    if ('help' in invocation) return say(helpText(invocation.help).trimEnd())
    if (invocation.name === 'agent') return await (await import('./run-agent.ts')).runAgent(invocation)
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.once(name, () => controller.abort(new HoldfastError('cancelled', `Cannot finish ${invocation.name}: interrupted`)))
    }
    return await runOnce(invocation, controller.signal)
  } catch (error) {
    return fail(controller.signal.aborted ? controller.signal.reason : error, json)
  }
}

async function runOnce(invocation: Invocation, signal: AbortSignal): Promise<number> {
  const home = homeAt(resolveHome(invocation.home))
  switch (invocation.name) {
    case 'demo': return await (await import('./run-demo.ts')).runDemo(invocation, signal)
    case 'autostart': return await (await import('./run-autostart.ts')).runAutostart(invocation)
    case 'manifest': return (await import('./write-manifest.ts')).writeManifest(home, invocation, packageVersion())
    case 'open':
      requireHome(invocation.name, home)
      return await (await import('./open-pane.ts')).openPane(home, invocation)
    case 'restore':
      if (invocation.values['from'] !== undefined) return finish(invocation, 'restore', await (await import('./restore-collected.ts')).restoreCollected(invocation, signal))
  }
  requireHome(invocation.name, home)
  const question = questions[invocation.name]
  if (question !== undefined && invocation.values['yes'] !== true) await confirm(question, invocation, signal)
  const { name, input } = await requestOf(invocation, signal)
  const request = commands[name].request.safeParse(input)
  if (!request.success) throw new HoldfastError('invalid-input', `Cannot run ${name}: ${plainIssues(request.error.issues)}\n${usageOf(invocation.name)}`)
  const asking: Asking = { home, signal, isAlone: false }
  const code = name === 'settings' && !invocation.json && invocation.positionals.length > 0 ? await changeSettings(asking, invocation, request.data as CommandRequest<'settings'>)
    : finish(invocation, name, await inAgent(asking, async (run) => await run(name, request.data as never)))
  if (asking.isAlone && !invocation.json) process.stderr.write(noAgentNote(invocation.name, home))
  return code
}

/** People are told what changed. */
async function changeSettings(asking: Asking, { positionals }: Invocation, request: CommandRequest<'settings'>): Promise<number> {
  const [before, after] = await inAgent(asking, async (run) => [await run('settings', { change: {} }), await run('settings', request)] as const)
  return say(changeLines(before.settings, after.settings, positionals.map((word) => word.slice(0, word.indexOf('=')))))
}

async function requestOf(invocation: Invocation, signal: AbortSignal) {
  switch (invocation.name) {
    case 'recover': return await recoverRequest(invocation, signal)
    case 'mail test':
      if (invocation.values['user'] === undefined) return toRequest(invocation)
      return { name: 'mail test' as const, input: { user: invocation.values['user'], password: await readSecret(`Password of ${String(invocation.values['user'])}: `, { signal }) } as never }
    case 'retention agree': return await agreeRequest(invocation, signal)
    case 'sign-in': return await signInRequest(invocation, signal)
    default: return toRequest(invocation)
  }
}

type Run = <C extends CommandName>(name: C, request: CommandRequest<C>) => Promise<CommandResult<C>>

interface Asking {
  readonly home: Home
  readonly signal: AbortSignal
  /** No agent runs: the command was carried out in this process. */
  isAlone: boolean
}

/** `work` gets the agent that runs, or one in this process. */
async function inAgent<T>(asking: Asking, work: (run: Run) => Promise<T>): Promise<T> {
  const { home, signal } = asking
  using line = new ProgressLine(process.stderr)
  const options = { signal, onProgress: line.update }
  return await untilFree(async () => {
    const runtime = readFileIfThere(home.runtime)
    if (runtime !== undefined) {
      try {
        const runner = agentRunner(parseRuntime(runtime))
        return await work(async (name, request) => await runner(name, request, options))
      } catch (error) {
        if (!(error instanceof HoldfastError && error.code === 'agent-not-running')) throw error
      }
    }
    const { openAgent } = await import('../main.ts')
    await using agent = await openAgent(home, { config: readConfig(home.config), serve: false, signal })
    asking.isAlone = true
    return await work(async (name, request) => await agent.run(name, request, options))
  }, async (ms) => { await delay(ms, undefined, { signal }) }).catch((error: unknown) => { throw explainTaken(error) })
}

async function recoverRequest(invocation: Invocation, signal: AbortSignal) {
  const { locator, peer, invitation, label } = invocation.values
  if ([locator, peer, invitation].filter((one) => one !== undefined).length !== 1 || invocation.positionals.length > 0) {
    throw usageError('recover', 'it takes one of --locator (it stands on the recovery kit), --peer and --invitation; the words are asked for')
  }
  const words = await readWords(signal)
  const given = Object.fromEntries(Object.entries({ locator, peer, invitation, label }).filter(([, value]) => value !== undefined))
  return { name: 'recover' as const, input: { words, ...given } as never }
}

async function agreeRequest({ values, positionals }: Invocation, signal: AbortSignal) {
  if (positionals.length > 0) throw new HoldfastError('invalid-input', 'Cannot run retention agree: the words come on stdin')
  const numbers = { delayDays: numberOption(values, 'delay-days', 30), days: numberOption(values, 'days', 14), weeks: numberOption(values, 'weeks', 8) }
  const given = Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== undefined))
  return { name: 'retention agree' as const, input: { words: await readWords(signal), ...given } as never }
}

function numberOption(values: Invocation['values'], option: string, max: number): number | undefined {
  const value = values[option]
  return typeof value === 'string' ? parseNumber(option, value, { min: 1, max }) : undefined
}

async function signInRequest({ positionals, values }: Invocation, signal: AbortSignal) {
  const [locator, ...more] = positionals
  if (locator === undefined || more.length > 0) throw usageError('sign-in', 'it takes one LOCATOR')
  const user = values['user'] as string | undefined
  const ca = values['ca'] === undefined ? undefined : readGiven(values['ca'] as string, 'the certificate authority')
  const password = user === undefined ? undefined : await readSecret(`Password of ${user}: `, { signal })
  if (password === '') throw new HoldfastError('invalid-input', `Cannot sign in as ${user}: no password was given; it comes on stdin`)
  const folder = values['folder'] === undefined ? undefined : resolve(values['folder'] as string)
  const given = Object.fromEntries(Object.entries({ user, password, ca, folder }).filter(([, value]) => value !== undefined))
  return { name: 'sign-in' as const, input: { locator, prepare: values['prepare'] === true, deviceCode: values['device-code'] === true, ...given } as never }
}

/** Throws `invalid-input`. */
function readGiven(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new HoldfastError('invalid-input', `Cannot read ${what} from ${path}: ${(cause as NodeJS.ErrnoException).code ?? 'unreadable'}`, { cause })
  }
}

async function confirm(question: string, { name }: Invocation, signal: AbortSignal): Promise<void> {
  if (!process.stdin.isTTY) throw new HoldfastError('invalid-input', `Cannot run ${name} without a terminal to ask on: add --yes. ${question}`, { guidance: 'Nothing was changed.' })
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await lines.question(`${question} Type yes: `, { signal })
    if (answer.trim().toLowerCase() !== 'yes') throw new HoldfastError('cancelled', 'Nothing was changed')
  } finally {
    lines.close()
  }
}

/** Prints the result; the exit code. */
function finish(invocation: Invocation, name: CommandName, result: CommandResult<CommandName>): number {
  say(invocation.json ? JSON.stringify(result) : (renderers[name] as (value: unknown) => string)(result))
  if (name === 'network invite' && !invocation.json) process.stderr.write(`${inviteNote(result as CommandResult<'network invite'>)}\n`)
  return exitCode(invocation, name, result)
}

function exitCode(invocation: Invocation, name: CommandName, result: CommandResult<CommandName>): number {
  if (name === 'backup') {
    const { protection } = result as CommandResult<'backup'>
    if (protection.state === 'protected' || invocation.values['offline-ok'] === true) return 0
    process.stderr.write(`holdfast: the snapshot is stored, but only partly protected (${partlyWhy(protection)}).\n  Switch on or add machines and run holdfast repair; with --offline-ok this counts as success.\n`)
    return 1
  }
  if (name === 'restore' || name === 'recovery-contact restore' || name === 'handed-over restore') {
    const { skipped } = result as CommandResult<'restore'>
    if (skipped.length === 0) return 0
    process.stderr.write(`holdfast: ${skipped.length === 1 ? 'one thing was' : `${skipped.length} things were`} not restored, for the reasons given.\n  What is there stays; run the command again when it can be had, and it goes on.\n`)
    return 1
  }
  if (name === 'repair') {
    const { failed } = result as CommandResult<'repair'>
    if (failed === 0) return 0
    process.stderr.write(`holdfast: ${failed === 1 ? 'one object still lacks' : `${failed} objects still lack`} shards, for the reasons given.\n  Switch on or add machines and run it again; an agent that runs does so by itself.\n`)
    return 1
  }
  if (name === 'verify' && !(result as CommandResult<'verify'>).ok) process.stderr.write(`holdfast: ${verifyHint(result as CommandResult<'verify'>)}\n`)
  return 'ok' in result && result.ok === false ? 1 : 0
}

function verifyHint(result: CommandResult<'verify'>): string {
  const off = result.off.map(printable).join(', ')
  if (isOnlyOff(result)) return `nothing is lost, but not everything can be restored while machines are off.\n  Switch on ${off}, as many as it takes, and run it again. Of one that will not come back an admin says so: holdfast network lost NAME.`
  return `a part of the backup is damaged or gone.\n  Run holdfast backup: what is still on this machine is stored anew.${off === '' ? '' : ` Switch on ${off} and run it again: more may come back.`}`
}

function fail(error: unknown, json: boolean): number {
  const problem = toProblem(error)
  if (json) say(JSON.stringify({ problem }))
  const tellsUsage = problem.code === 'invalid-input' && /\nusage: |holdfast help/.test(problem.detail)
  process.stderr.write(`holdfast: ${problem.detail}\n${tellsUsage ? '' : `  ${signInHint(problem.details) ?? problem.guidance}\n`}`)
  if (problem.code === 'internal' && error instanceof Error) process.stderr.write(`${error.stack ?? error.message}\n`)
  return problem.code === 'cancelled' ? 130 : problem.code === 'invalid-input' ? 2 : 1
}

/** For what a sign-in would help: the command to copy. */
function signInHint({ signIn }: { readonly [detail: string]: unknown }): string | undefined {
  if (typeof signIn !== 'string') return undefined
  return `Sign in, then run it again: holdfast sign-in '${signIn}'${/^ldaps?:/.test(signIn) ? ' --user NAME [--ca FILE]' : ''}`
}

function say(text: string): 0 {
  process.stdout.write(`${text}\n`)
  return 0
}

function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  return manifest.version
}

function requireNode(): void {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > minimumNode[0] || (major === minimumNode[0] && minor >= minimumNode[1])) return
  throw new HoldfastError('invalid-input', `Cannot run on Node.js ${process.versions.node}: it takes ${minimumNode.join('.')} or newer (from nodejs.org; in a checkout npm ci brings one)`)
}
