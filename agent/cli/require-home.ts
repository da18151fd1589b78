/** Who may make a home. A folder that was mistyped must not become one: it would be another machine, with keys of its own. */
import { readdirSync } from 'node:fs'
import { basename } from 'node:path'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { resolveHome } from '../config.ts'
import { type Home, isHome } from '../home.ts'

/** The commands that begin on an empty machine, and those that need no home: `autostart` is about the agent to come, `demo` has its own. */
const begin: ReadonlySet<string> = new Set(['agent', 'network create', 'network join', 'network find', 'recover', 'sign-in'])
const needNone: ReadonlySet<string> = new Set(['autostart', 'demo', 'manifest'])

/** Throws `not-found` when the command `name` asks of a home that is not there, `invalid-input` when it would begin one among other files. */
export function requireHome(name: string, home: Home): void {
  if (needNone.has(name) || isHome(home)) return
  if (begin.has(name)) {
    refuseOthers(home)
    return
  }
  throw new HoldfastError('not-found', `Cannot run ${name}: there is no Holdfast home in ${home.directory}`, {
    details: { home: home.directory },
    guidance: `If it is elsewhere, name it with --home DIR or HOLDFAST_HOME. To begin one here, run: holdfast agent${homeOption(home)} — in the place of a lost machine: holdfast recover${homeOption(home)}`,
  })
}

/** Keys and the shards of others do not belong among somebody's files. Settings may be there before the agent, and what a run left that did not get far. */
function refuseOthers(home: Home): void {
  const names = namesIn(home.directory)
  const own = new Set(Object.values(home).map((path) => basename(path)))
  if (names.length === 0 || names.some((name) => own.has(name) || /\.(?:log|sqlite)$/.test(name))) return
  throw new HoldfastError('invalid-input', `Cannot begin a Holdfast home in ${home.directory}: it has other files in it, such as ${names[0]}`, {
    details: { home: home.directory }, guidance: 'A home is a folder of its own: name an empty one, or one that is not there yet, with --home DIR.',
  })
}

/** Of what cannot be listed none: whoever makes the home says why. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort()
  } catch {
    return []
  }
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
