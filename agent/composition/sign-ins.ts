/**
 * Who this machine signs in as where rosters are, sealed to the machine's key: one entry a domain controller, and for each
 * Microsoft app the token cache of MSAL. And the copies of rosters that are asked for changes alone.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { HoldfastError } from '../../shared/errors.ts'
import type { SignInStore } from '../commands/context.ts'
import { type Home, readFileIfThere, writePrivateFile } from '../home.ts'
import type { Machine } from '../identity/machine.ts'
import { openFromMachine, sealToMachine } from '../identity/owner-file.ts'
import { type MicrosoftApp, MicrosoftSignIn } from '../network/roster/graph/microsoft-sign-in.ts'
import type { ReplicaMemory } from '../network/roster/graph/replica.ts'
import type { DirectorySignIn } from '../network/roster/ldap-directory.ts'
import type { RosterAccess } from '../network/roster/open-roster.ts'

const fileSchema = z.object({ v: z.literal(1), directories: z.record(z.string(), z.string()).default({}), microsoft: z.record(z.string(), z.string()).default({}) })
const signInSchema = z.object({ user: z.string(), password: z.string(), ca: z.string().optional() })

export class SignIns implements RosterAccess, SignInStore {
  readonly access: RosterAccess = this
  readonly fetch: typeof fetch = async (input, init) => await globalThis.fetch(input, init)
  readonly pause: RosterAccess['pause'] = async (ms, signal) => { await delay(ms, undefined, { signal }) }
  readonly random = Math.random
  readonly version: string
  readonly #file: string
  readonly #rosters: string
  readonly #machine: Machine
  readonly #microsoft = new Map<string, MicrosoftSignIn>()

  constructor({ signIns, rosters }: Pick<Home, 'signIns' | 'rosters'>, machine: Machine, version: string) {
    this.#file = signIns
    this.#rosters = rosters
    this.#machine = machine
    this.version = version
  }

  async directorySignIn(url: string): Promise<DirectorySignIn | undefined> {
    const text = await this.#open('directories', url)
    return text === undefined ? undefined : signInSchema.parse(JSON.parse(text))
  }

  async keepDirectorySignIn(url: string, signIn: DirectorySignIn): Promise<void> {
    await this.#keep('directories', url, JSON.stringify(signIn))
  }

  microsoftSignIn(app: MicrosoftApp): MicrosoftSignIn {
    const key = `${app.tenant}/${app.client}`
    const known = this.#microsoft.get(key) ?? new MicrosoftSignIn({ app, fetch: this.fetch, cache: {
      load: async () => await this.#open('microsoft', key),
      save: async (text) => { await this.#keep('microsoft', key, text) },
    } })
    this.#microsoft.set(key, known)
    return known
  }

  async microsoftToken(app: MicrosoftApp): Promise<string | undefined> {
    return await this.microsoftSignIn(app).token()
  }

  memory(locator: string): ReplicaMemory {
    const file = join(this.#rosters, `${createHash('sha256').update(locator).digest('hex').slice(0, 24)}.json`)
    return { load: async () => readFileIfThere(file), save: async (text) => { writePrivateFile(file, text) } }
  }

  async #open(kind: 'directories' | 'microsoft', key: string): Promise<string | undefined> {
    const sealed = this.#read()[kind][key]
    return sealed === undefined ? undefined : await openFromMachine(this.#machine, sealed)
  }

  async #keep(kind: 'directories' | 'microsoft', key: string, text: string): Promise<void> {
    const sealed = await sealToMachine(this.#machine, text)
    const known = this.#read()
    writePrivateFile(this.#file, JSON.stringify({ ...known, [kind]: { ...known[kind], [key]: sealed } }))
  }

  #read(): z.infer<typeof fileSchema> {
    const text = readFileIfThere(this.#file)
    if (text === undefined) return { v: 1, directories: {}, microsoft: {} }
    try {
      return fileSchema.parse(JSON.parse(text))
    } catch (cause) {
      throw new HoldfastError('invalid-config', `Cannot read ${this.#file}: it is damaged; remove it and sign in again`, { cause })
    }
  }
}
