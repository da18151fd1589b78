/**
 * The newest head of each device of the owner that this machine has seen, and its own: one small file each, written
 * before a head is published, so that no two heads of one seq are ever signed, whatever crashes.
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, readdirSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { HoldfastError } from '../../shared/errors.ts'
import type { MachineId, OwnerId } from '../../shared/ids.ts'
import { idToBytes } from '../identity/machine.ts'
import { type Head, compareHeads, verifyHead } from './head.ts'

const fileSchema = z.object({ v: z.literal(1), certificate: z.string(), head: z.string(), live: z.base64(), published: z.boolean() })

export interface LocalHead {
  readonly head: Head
  /** False for an own head that no holder has acknowledged yet. */
  readonly published: boolean
}

/** Whether a head was ever kept under the repository's folder: then something of it may lie on holders. */
export function hasSignedHeads(repository: string): boolean {
  const directory = join(repository, 'heads')
  return existsSync(directory) && readdirSync(directory).some((file) => file.endsWith('.head'))
}

export class LocalHeads {
  readonly #directory: string
  readonly #heads = new Map<MachineId, LocalHead>()
  /** False when the folder was not there: then what this machine signed last is not known. */
  readonly known: boolean

  constructor(directory: string) {
    this.#directory = join(directory, 'heads')
    this.known = existsSync(this.#directory)
  }

  /** Reads what is there. A file that does not verify is `record-invalid`. */
  async load(owner: OwnerId): Promise<void> {
    if (!this.known) return
    for (const name of readdirSync(this.#directory).filter((file) => file.endsWith('.head'))) {
      const file = fileSchema.safeParse(JSON.parse(readFileSync(join(this.#directory, name), 'utf8')))
      if (!file.success) throw new HoldfastError('record-invalid', `Cannot read ${name}: it is no head`)
      const { certificate, head, live, published } = file.data
      const verified = await verifyHead({ certificate, head, live: new Uint8Array(Buffer.from(live, 'base64')) }, owner)
      this.#heads.set(verified.document.machine, { head: verified, published })
    }
  }

  /** Makes the folder: from then on this machine knows what it signed. */
  begin(): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
  }

  get(machine: MachineId): LocalHead | undefined {
    return this.#heads.get(machine)
  }

  all(): Head[] {
    return [...this.#heads.values()].map(({ head }) => head)
  }

  /** Durable when it returns. An older head than the one there is refused with RangeError. */
  set(head: Head, published: boolean): void {
    const { machine } = head.document
    const there = this.#heads.get(machine)
    if (there !== undefined && compareHeads(there.head, head) > 0) throw new RangeError('Cannot keep a head: a newer one is there')
    this.begin()
    const { certificate, head: jws, live } = head.published
    writeDurably(join(this.#directory, `${idToBytes(machine).toString('hex')}.head`), Buffer.from(JSON.stringify({
      v: 1, certificate, head: jws, live: Buffer.from(live).toString('base64'), published,
    })))
    this.#heads.set(machine, { head, published })
  }
}

/** Temporary name, fsync, rename. */
export function writeDurably(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.tmp`
  const fd = openSync(temporary, 'w', 0o600)
  try {
    for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done)
    fsyncSync(fd)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  } finally {
    closeSync(fd)
  }
  renameSync(temporary, path)
}
