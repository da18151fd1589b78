/** What the pane knows, and the pure steps by which it changes. Views draw it; app.ts asks the agent. */
import { type CommandResult, type CompanySignIn, type RunEvent, type RunState, type RunsNow, commands, questions } from '../shared/api.ts'
import type { Problem } from './agent-client.ts'
import type { Member } from './members.ts'

export type Status = CommandResult<'status'>
export type Snapshots = CommandResult<'snapshots'>
export type Settings = CommandResult<'settings'>['settings']
export type Archive = CommandResult<'suggestions'>['archives'][number]

export type Connection = 'starting' | 'unpaired' | 'offline' | 'connected'

/** Progress of a run, with what is needed for its rate. */
export interface WatchedRun extends RunState {
  readonly isCancelling: boolean
  /** Bytes per second, smoothed; undefined until two reports came. */
  readonly rate: number | undefined
  readonly reportedMs: number
}

export interface Ended {
  readonly id: string
  readonly name: RunState['name']
  readonly result: unknown
  readonly problem: Problem | null
}

/** A short sentence that something was done, and the way back where there is one. */
export interface Notice {
  readonly text: string
  readonly undo?: () => void
}

export interface Choice {
  readonly name: string
  readonly text: string
  /** What it means, in a sentence. */
  readonly meaning?: string
  readonly isDangerous?: boolean
}

export interface Question {
  readonly heading: string
  readonly text: string
  readonly choices: readonly Choice[]
  readonly cancel: string
  /** Undefined: nothing was chosen. */
  readonly answer: (choice: string | undefined) => void
}

/** Where somebody has to sign in before what they want can be done. */
export interface SignInAsked {
  readonly locator: string
  /** The place may still have to be made there. */
  readonly prepare: boolean
}

export interface State {
  readonly connection: Connection
  /** It was connected before; the agent does not know its token any more. */
  readonly hasEnded: boolean
  /** How this pane may connect by a company account. */
  readonly company: CompanySignIn | undefined
  readonly status: Status | undefined
  readonly snapshots: Snapshots | undefined
  readonly members: readonly Member[] | undefined
  readonly settings: Settings | undefined
  readonly archives: readonly Archive[] | undefined
  readonly runs: readonly WatchedRun[]
  /** Of runs that this pane started or saw, newest first. */
  readonly ended: readonly Ended[]
  /** The last thing that failed, until it is closed. */
  readonly problem: Problem | undefined
  readonly notice: Notice | undefined
  readonly signIn: SignInAsked | undefined
  /** Stands over the page until it is answered. */
  readonly question: Question | undefined
}

export const initialState: State = {
  connection: 'starting', hasEnded: false, company: undefined, status: undefined, snapshots: undefined, members: undefined, settings: undefined, archives: undefined, runs: [], ended: [], problem: undefined, notice: undefined, signIn: undefined, question: undefined,
}

/** Runs that take long and are shown; the others only answer questions. */
export const shownRuns: ReadonlySet<string> = new Set(['backup', 'restore', 'verify', 'repair', 'recover', 'forget', 'prune', 'recovery-contact restore', 'handed-over restore', 'network leave'])

/** The sign-in has its progress in its own card. */
const watchedRuns: ReadonlySet<string> = new Set([...shownRuns, 'sign-in'])

const smoothing = 0.3
const keptEnded = 30

export function withRunEvent(state: State, event: RunEvent, nowMs: number): State {
  if (questions.has(event.type === 'ended' ? event.name : event.run.name)) return state
  if (event.type === 'ended') {
    return { ...state, runs: state.runs.filter(({ id }) => id !== event.id), ended: [{ ...event, problem: event.problem as Problem | null }, ...state.ended].slice(0, keptEnded) }
  }
  if (!watchedRuns.has(event.run.name)) return state
  const before = state.runs.find(({ id }) => id === event.run.id)
  const watched: WatchedRun = { ...event.run, isCancelling: before?.isCancelling ?? false, rate: rateOf(before, event.run, nowMs), reportedMs: nowMs }
  return { ...state, runs: before === undefined ? [...state.runs, watched] : state.runs.map((run) => (run.id === watched.id ? watched : run)) }
}

/** The agent was reached (again): its list is the truth. What it does not know of any more ended with the agent that ran it. */
export function withRuns(state: State, { runs, ended }: RunsNow, nowMs: number): State {
  const known = new Set([...runs, ...ended, ...state.ended].map(({ id }) => id))
  const lost = state.runs.filter(({ id }) => !known.has(id)).map(({ id, name }) => ({ id, name, result: null, problem: stopped }))
  const told = ended.filter(({ id }) => state.ended.every((one) => one.id !== id)).map((one) => ({ ...one, problem: one.problem as Problem | null }))
  const before: State = { ...state, runs: state.runs.filter(({ id }) => runs.some((run) => run.id === id)), ended: [...lost, ...told.reverse(), ...state.ended].slice(0, keptEnded) }
  return runs.reduce<State>((now, run) => withRunEvent(now, { type: 'run', run }, nowMs), before)
}

const stopped: Problem = { type: 'urn:holdfast:error:cancelled', title: '', status: 499, detail: '', code: 'cancelled', guidance: '', details: {} }

function rateOf(before: WatchedRun | undefined, now: RunState, nowMs: number): number | undefined {
  const [from, to] = [before?.progress?.bytesDone, now.progress?.bytesDone]
  if (before === undefined || from === undefined || to === undefined || nowMs <= before.reportedMs || to < from) return before?.rate
  const rate = (to - from) / ((nowMs - before.reportedMs) / 1000)
  return before.rate === undefined ? rate : before.rate + smoothing * (rate - before.rate)
}

/** Why a run stands still: it started by itself and gives way. A person's run has every turn. */
export function waitReason(status: Status | undefined, { name, stage }: Pick<WatchedRun, 'name' | 'stage'>): NonNullable<Status['pace']['reason']> | undefined {
  if (status?.pace.state !== 'wait' || stage === 'queued' || !givingWay.has(name)) return undefined
  return status.pace.reason ?? undefined
}

/** What also starts by itself. */
const givingWay: ReadonlySet<string> = new Set(['backup', 'verify', 'repair', 'forget', 'prune'])

/** 0 to 1; undefined while the whole is not known. */
export function shareDone({ progress }: Pick<WatchedRun, 'progress'>): number | undefined {
  if (progress?.bytesTotal === undefined || progress.bytesTotal <= 0 || progress.bytesDone === undefined) return undefined
  return Math.min(1, progress.bytesDone / progress.bytesTotal)
}

export function secondsLeft(run: Pick<WatchedRun, 'progress' | 'rate'>): number | undefined {
  const { progress, rate } = run
  if (progress?.bytesTotal === undefined || progress.bytesDone === undefined || rate === undefined || rate <= 0) return undefined
  return Math.max(0, (progress.bytesTotal - progress.bytesDone) / rate)
}

/** Which way a protected path looks on screen: what is not green has a reason. */
export type Tone = 'good' | 'warning' | 'bad'

export function toneOf(state: 'protected' | 'partial' | 'unprotected' | 'unknown'): Tone {
  return state === 'protected' ? 'good' : state === 'unprotected' ? 'bad' : 'warning'
}

/** What a restore that ended left, as the schema of its command reads it. */
export function restoredOf(result: unknown): CommandResult<'restore'> | undefined {
  return commands.restore.result.safeParse(result).data
}

export function recoveredOf(result: unknown): CommandResult<'recover'> | undefined {
  return commands.recover.result.safeParse(result).data
}

export function leftOf(result: unknown): CommandResult<'network leave'> | undefined {
  return commands['network leave'].result.safeParse(result).data
}
