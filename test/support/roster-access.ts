/** What rosters are opened with in a test: nobody is signed in anywhere, and the network is not there, unless given. */
import type { RosterAccess } from '../../agent/network/roster/open-roster.ts'

export function accessWith(given: Partial<RosterAccess>): RosterAccess {
  return {
    syncedFolder: () => undefined, directorySignIn: async () => undefined, microsoftToken: async () => undefined, memory: () => undefined, version: '0.0.0', pause: async () => {}, random: () => 0.5,
    fetch: async () => { throw new TypeError('fetch failed') }, ...given,
  }
}
