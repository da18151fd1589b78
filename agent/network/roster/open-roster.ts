/** Picks the adapter for a place. Nothing is touched yet. */
import { HoldfastError } from '../../../shared/errors.ts'
import { ActiveDirectoryRoster } from './active-directory.ts'
import { AdsiDirectory } from './adsi-directory.ts'
import type { DirectoryPlace } from './directory.ts'
import { FolderRoster } from './folder.ts'
import { type DirectorySignIn, LdapDirectory } from './ldap-directory.ts'
import { type LocatorPlace, parseRosterLocator } from './locator.ts'
import type { Roster } from './port.ts'

/** What a home knows to open rosters with: never part of a locator, because everybody reads those. */
export interface RosterAccess {
  /** Undefined when nobody signed in to that directory on this machine. `url` is `ldaps://host[:port]`. */
  directorySignIn(url: string): Promise<DirectorySignIn | undefined>
}

/** Throws `invalid-input` for what is not supported. */
export function openRoster(text: string, access: RosterAccess, options: LocatorPlace = {}): Roster {
  const place = parseRosterLocator(text, options)
  switch (place.kind) {
    case 'folder': return new FolderRoster(place.path)
    case 'directory': return openDirectory(place.place, access)
  }
}

/** On Windows the machine's or user's own account reaches the directory without a stored password. */
function openDirectory(place: DirectoryPlace, access: RosterAccess): Roster {
  const ldap = new LdapDirectory(place, async () => {
    const signIn = await access.directorySignIn(place.url)
    if (signIn !== undefined) return signIn
    throw new HoldfastError('roster-unavailable', `Cannot use the roster ${place.locator}: nobody signed in on this machine; run holdfast sign-in`, { details: { locator: place.locator, state: 'not signed in' } })
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
