/** Opens the pane door of an agent on what its parts offer, and tells panes what happens. */
import { questions } from '../../shared/api.ts'
import { fileOfSnapshot } from '../commands/file-of-snapshot.ts'
import { type Home, readFileIfThere, writePrivateFile } from '../home.ts'
import { EntraSignIn } from '../http/entra-sign-in.ts'
import { paneCertificate } from '../http/pane-certificate.ts'
import { openPaneDoor } from '../http/pane-door.ts'
import { isPaneBuilt } from '../http/static-files.ts'
import { PaneSessions } from '../http/pane-sessions.ts'
import type { AgentParts } from './agent-parts.ts'

export interface OpenPane extends AsyncDisposable {
  readonly port: number
  /** The command line's token, for the runtime file. */
  readonly token: string
  /** PEM of the CA that signed the door's certificate. */
  readonly authority: string
}

export async function openPane(home: Home, parts: AgentParts): Promise<OpenPane> {
  const { paneAddress, entra } = parts.settings.config
  const file = (path: string) => ({ read: () => readFileIfThere(path), write: (text: string) => { writePrivateFile(path, text) } })
  const sessions = new PaneSessions(file(home.paneTokens), parts.clock.now)
  const certificate = await paneCertificate(file(home.paneCertificate), parts.clock.now())
  const { runs } = parts
  await using stack = new AsyncDisposableStack()
  const door = stack.use(await openPaneDoor({
    port: paneAddress.port, frameAncestors: paneAddress.frameAncestors, certificate, sessions,
    services: {
      version: parts.version, run: runs.run, cancel: (id) => runs.cancel(id),
      get states() { return runs.states },
      get ended() { return runs.ended },
      openFile: async (snapshot, path, signal) => await fileOfSnapshot(parts, { snapshot, path }, signal),
      entra: entra === null ? undefined : new EntraSignIn({ ...entra, keys: file(home.entraKeys) }),
    },
  }))
  stack.defer(runs.subscribe((event) => {
    door.events.tell(event)
    if (event.type === 'ended' && event.problem === null && !questions.has(event.name)) door.events.hint('protection')
  }))
  const onPeople = () => { door.events.hint('group') }
  parts.peopleListeners.add(onPeople)
  stack.defer(() => { parts.peopleListeners.delete(onPeople) })
  stack.defer(parts.settings.subscribe(() => { door.events.hint('settings') }))
  parts.pane = { port: door.port, isBuilt: isPaneBuilt(), authority: certificate.authority, former: certificate.former }
  const owned = stack.move()
  return { port: door.port, token: sessions.ownToken, authority: certificate.authority, [Symbol.asyncDispose]: async () => { await owned[Symbol.asyncDispose]() } }
}
