/**
 * Who this machine signs in as where rosters are, in a file for the user alone (0600), sealed to the machine's key and on
 * Windows by DPAPI as well: one entry a domain controller, and for each Microsoft app the token cache of MSAL. And the copies
 * of rosters that are asked for changes alone.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import type { SignInStore } from '../commands/context.ts'
import { type Home, readFileIfThere, writePrivateFile } from '../home.ts'
import type { Machine } from '../identity/machine.ts'
import { openFromMachine, sealToMachine } from '../identity/owner-file.ts'
import { type MicrosoftApp, MicrosoftSignIn } from '../network/roster/graph/microsoft-sign-in.ts'
import type { ReplicaMemory } from '../network/roster/graph/replica.ts'
import type { DirectorySignIn } from '../network/roster/ldap-directory.ts'
import type { RosterAccess } from '../network/roster/open-roster.ts'
import { type DataProtection, protectedBy, systemProtection, unprotected } from './data-protection.ts'

const fileSchema = z.object({ v: z.literal(1), directories: z.record(z.string(), z.string()).default({}), microsoft: z.record(z.string(), z.string()).default({}),
  /** Folders of this machine by the locators of the rosters that are synchronised there. */
  folders: z.record(z.string(), z.string()).default({}),
})
const signInSchema = z.object({ user: z.string(), password: z.string(), ca: z.string().optional() })

export interface SignInsOptions {
  readonly machine: Machine
  readonly version: string
  /** What seals besides the machine's key; default: what the system has. */
  readonly protection?: DataProtection | undefined
}

export class SignIns implements SignInStore {
  readonly access: RosterAccess
  readonly #file: string
  readonly #rosters: string
  readonly #machine: Machine
  readonly #microsoft = new Map<string, MicrosoftSignIn>()
  readonly #protection: DataProtection | undefined
  /** What was opened or kept already, by what lies in the file. */
  readonly #opened = new Map<string, string>()

  constructor({ signIns, rosters }: Pick<Home, 'signIns' | 'rosters'>, { machine, version, protection = systemProtection() }: SignInsOptions) {
    this.#file = signIns
    this.#rosters = rosters
    this.#machine = machine
    this.#protection = protection
    this.access = {
      version, random: Math.random,
      fetch: async (input, init) => await globalThis.fetch(input, init),
      pause: async (ms, signal) => { await delay(ms, undefined, { signal }) },
      syncedFolder: (locator) => this.#syncedFolder(locator),
      directorySignIn: async (url) => await this.#directorySignIn(url),
      microsoftToken: async (app) => await this.microsoftSignIn(app).token(),
      memory: (locator) => this.#memory(locator),
    }
  }

  /** A damaged file is told by whoever needs a sign-in from it; it must not keep an agent from starting. */
  #syncedFolder(locator: string): string | undefined {
    try {
      return this.#read().folders[locator]
    } catch (error) {
      if (hasCode(error, 'invalid-config')) return undefined
      throw error
    }
  }

  keepSyncedFolder(locator: string, folder: string | undefined): void {
    const known = this.#read()
    const { [locator]: _before, ...others } = known.folders
    this.#write({ ...known, folders: folder === undefined ? others : { ...others, [locator]: folder } })
  }

  async #directorySignIn(url: string): Promise<DirectorySignIn | undefined> {
    const text = await this.#open('directories', url)
    return text === undefined ? undefined : signInSchema.parse(JSON.parse(text))
  }

  async keepDirectorySignIn(url: string, signIn: DirectorySignIn): Promise<void> {
    await this.#keep('directories', url, JSON.stringify(signIn))
  }

  microsoftSignIn(app: MicrosoftApp): MicrosoftSignIn {
    const key = `${app.tenant}/${app.client}`
    const known = this.#microsoft.get(key) ?? new MicrosoftSignIn({ app, fetch: this.access.fetch, cache: {
      load: async () => await this.#open('microsoft', key),
      save: async (text) => { await this.#keep('microsoft', key, text) },
    } })
    this.#microsoft.set(key, known)
    return known
  }

  #memory(locator: string): ReplicaMemory {
    const file = join(this.#rosters, `${createHash('sha256').update(locator).digest('hex').slice(0, 24)}.json`)
    return { load: async () => readFileIfThere(file), save: async (text) => { writePrivateFile(file, text) } }
  }

  async #open(kind: 'directories' | 'microsoft', key: string): Promise<string | undefined> {
    const sealed = this.#read()[kind][key]
    if (sealed === undefined) return undefined
    const text = this.#opened.get(sealed) ?? await openFromMachine(this.#machine, await unprotected(sealed, this.#protection))
    this.#opened.set(sealed, text)
    return text
  }

  async #keep(kind: 'directories' | 'microsoft', key: string, text: string): Promise<void> {
    const sealed = await protectedBy(this.#protection, await sealToMachine(this.#machine, text))
    const known = this.#read()
    this.#opened.delete(known[kind][key] ?? '')
    this.#opened.set(sealed, text)
    this.#write({ ...known, [kind]: { ...known[kind], [key]: sealed } })
  }

  #write(file: z.infer<typeof fileSchema>): void {
    writePrivateFile(this.#file, JSON.stringify(file))
  }

  #read(): z.infer<typeof fileSchema> {
    const text = readFileIfThere(this.#file)
    if (text === undefined) return { v: 1, directories: {}, microsoft: {}, folders: {} }
    try {
      return fileSchema.parse(JSON.parse(text))
    } catch (cause) {
      throw new HoldfastError('invalid-config', `Cannot read ${this.#file}: it is damaged; remove it and sign in again`, { cause })
    }
  }
}
