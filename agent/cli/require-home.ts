/** Who may make a home. A folder that was mistyped must not become one: it would be another machine, with keys of its own. */
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { resolveHome } from '../config.ts'
import { type Home, isHome } from '../home.ts'

/** The commands that begin on an empty machine, and those that need no home: `autostart` is about the agent to come, `demo` has its own. */
const begin: ReadonlySet<string> = new Set(['agent', 'network create', 'network join', 'network find', 'recover', 'sign-in'])
const needNone: ReadonlySet<string> = new Set(['autostart', 'demo', 'manifest'])

/** Throws `not-found` when the command `name` asks of a home that is not there. */
export function requireHome(name: string, home: Home): void {
  if (begin.has(name) || needNone.has(name) || isHome(home)) return
  throw new HoldfastError('not-found', `Cannot run ${name}: there is no Holdfast home in ${home.directory}`, {
    details: { home: home.directory },
    guidance: `If it is elsewhere, name it with --home DIR or HOLDFAST_HOME. To begin one here, run: holdfast agent${homeOption(home)} — in the place of a lost machine: holdfast recover${homeOption(home)}`,
  })
}

/** What may have a home that is taken although nobody answers for it; any other error as it is. */
export function explainTaken(error: unknown): unknown {
  if (!hasCode(error, 'in-use') || error.details['home'] === undefined) return error
  return new HoldfastError('in-use', `${error.message}, and does not answer`, {
    details: error.details, guidance: 'It may be another command that is under way, or an agent that hangs: wait for its end, or end it, and run the command again.', cause: error,
  })
}

/** How the agent of this home is started. */
export function startHint(home: Home): string {
  return `Start it with \`holdfast autostart on${homeOption(home)}\`, which also starts it whenever you log on, or for now with \`holdfast agent${homeOption(home)}\`.`
}

/** Commands whose result says by itself that an agent has to be started. */
const sayThemselves: ReadonlySet<string> = new Set(['network create', 'network join', 'doctor'])

/** To a person whose command was carried out without an agent; nothing for a command that says so itself. */
export function noAgentNote(name: string, home: Home): string {
  if (sayThemselves.has(name)) return ''
  return `holdfast: no agent runs on ${home.directory}: nothing is backed up by itself, and the others cannot reach this machine.\n  ${startHint(home)}\n`
}

/** What a command to copy needs for this home: nothing where it is the one that is meant without it, else ` --home DIR`. */
export function homeOption({ directory }: Home): string {
  if (directory === resolveHome(undefined)) return ''
  return ` --home ${/^[\w./:\\-]+$/.test(directory) ? directory : `"${directory}"`}`
}
