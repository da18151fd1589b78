/** Who this machine signs in as at the directories that hold rosters: sealed to the machine's key, one entry a controller. */
import { z } from 'zod'
import { HoldfastError } from '../../shared/errors.ts'
import { readFileIfThere, writePrivateFile } from '../home.ts'
import type { Machine } from '../identity/machine.ts'
import { openFromMachine, sealToMachine } from '../identity/owner-file.ts'
import type { DirectorySignIn } from '../network/roster/ldap-directory.ts'
import type { RosterAccess } from '../network/roster/open-roster.ts'

const fileSchema = z.object({ v: z.literal(1), directories: z.record(z.string(), z.string()).default({}) })
const signInSchema = z.object({ user: z.string(), password: z.string(), ca: z.string().optional() })

export class SignIns implements RosterAccess {
  readonly #file: string
  readonly #machine: Machine

  constructor(file: string, machine: Machine) {
    this.#file = file
    this.#machine = machine
  }

  async directorySignIn(url: string): Promise<DirectorySignIn | undefined> {
    const sealed = this.#read().directories[url]
    return sealed === undefined ? undefined : signInSchema.parse(JSON.parse(await openFromMachine(this.#machine, sealed)))
  }

  async keepDirectorySignIn(url: string, signIn: DirectorySignIn): Promise<void> {
    const known = this.#read()
    const directories = { ...known.directories, [url]: await sealToMachine(this.#machine, JSON.stringify(signIn)) }
    writePrivateFile(this.#file, JSON.stringify({ ...known, directories }))
  }

  #read(): z.infer<typeof fileSchema> {
    const text = readFileIfThere(this.#file)
    if (text === undefined) return { v: 1, directories: {} }
    try {
      return fileSchema.parse(JSON.parse(text))
    } catch (cause) {
      throw new HoldfastError('invalid-config', `Cannot read ${this.#file}: it is damaged; remove it and sign in again`, { cause })
    }
  }
}
