/** Picks the adapter for a place. Nothing is touched yet. */
import { ActiveDirectoryRoster } from './active-directory.ts'
import { AdsiDirectory } from './adsi-directory.ts'
import type { DirectoryPlace } from './directory.ts'
import { FolderRoster } from './folder.ts'
import { ExchangeRoster } from './graph/exchange.ts'
import { type GraphAccess, unavailable } from './graph/graph.ts'
import type { MicrosoftApp } from './graph/microsoft-sign-in.ts'
import type { ReplicaMemory } from './graph/replica.ts'
import { SharePointRoster } from './graph/sharepoint.ts'
import { type DirectorySignIn, LdapDirectory } from './ldap-directory.ts'
import { type LocatorPlace, parseRosterLocator } from './locator.ts'
import type { Roster } from './port.ts'

/** What a home knows to open rosters with: never part of a locator, because everybody reads those. */
export interface RosterAccess {
  /** The folder on this machine in which a synchronisation client keeps that place; undefined when there is none. */
  syncedFolder(locator: string): string | undefined
  /** Undefined when nobody signed in to that directory on this machine. `url` is `ldaps://host[:port]`. */
  directorySignIn(url: string): Promise<DirectorySignIn | undefined>
  /** Undefined when nobody is signed in at Microsoft for that app, or the sign-in expired. */
  microsoftToken(app: MicrosoftApp): Promise<string | undefined>
  /** Keeps a copy of what a roster holds, by its locator. */
  memory(locator: string): ReplicaMemory | undefined
  readonly fetch: typeof fetch
  readonly version: string
  /** Resolves after `ms`; rejects when `signal` aborts. */
  readonly pause: GraphAccess['pause']
  readonly random: GraphAccess['random']
}

/** Throws `invalid-input` for what is not supported. */
export function openRoster(text: string, access: RosterAccess, options: LocatorPlace = {}): Roster {
  const place = parseRosterLocator(text, options)
  const folder = access.syncedFolder(place.locator)
  if (folder !== undefined) return new FolderRoster(folder, place.locator)
  switch (place.kind) {
    case 'folder': return new FolderRoster(place.path)
    case 'directory': return openDirectory(place.place, access)
    case 'sharepoint': return new SharePointRoster(place.place, microsoftAccess(place, access), access.memory(place.locator))
    case 'exchange': return new ExchangeRoster(place.place, microsoftAccess(place, access), access.memory(place.locator))
  }
}

export function microsoftAccess({ locator, app }: { locator: string; app: MicrosoftApp }, access: RosterAccess): GraphAccess {
  return {
    fetch: access.fetch, version: access.version, pause: access.pause, random: access.random,
    token: async ({ signal }) => {
      try {
        const token = await access.microsoftToken(app)
        if (token !== undefined) return token
      } catch (cause) {
        signal?.throwIfAborted()
        throw unavailable(locator, 'the sign-in cannot be renewed now', { cause })
      }
      throw unavailable(locator, 'nobody is signed in on this machine, or the sign-in expired; run holdfast sign-in', { signIn: true })
    },
  }
}

/** On Windows the machine's or user's own account reaches the directory without a stored password. */
function openDirectory(place: DirectoryPlace, access: RosterAccess): Roster {
  const ldap = new LdapDirectory(place, async () => {
    const signIn = await access.directorySignIn(place.url)
    if (signIn !== undefined) return signIn
    throw unavailable(place.locator, 'nobody signed in on this machine; run holdfast sign-in', { signIn: true })
  })
  if (process.platform !== 'win32') return new ActiveDirectoryRoster(place, ldap)
  const adsi = new AdsiDirectory(place)
  const chosen = async () => (await access.directorySignIn(place.url) === undefined ? adsi : ldap)
  return new ActiveDirectoryRoster(place, {
    state: async (options) => await (await chosen()).state(options),
    search: async (since, limit, options) => await (await chosen()).search(since, limit, options),
    prepare: async (options) => { await (await chosen()).prepare(options) },
    add: async (record, options) => await (await chosen()).add(record, options),
    replace: async (record, options) => await (await chosen()).replace(record, options),
    remove: async (name, options) => { await (await chosen()).remove(name, options) },
  })
}
