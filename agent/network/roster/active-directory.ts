/**
 * A roster in Active Directory: one serviceConnectionPoint for each record, in one container that the group may add to,
 * or below each machine's own computer object (which a machine may write without anybody's help).
 *
 * The entry's `keywords` carry the roster's label and the record's name, `serviceBindingInformation` the record. The
 * common name is a digest of the record's name, because it may have 64 characters. The cursor is (controller, highest
 * committed USN): another controller, and the listing is whole again. Deleted entries are seen by a whole listing only.
 * Several controllers may create one name at once (the later replica is renamed), and so may two machines below their own objects: nothing rests on createOnce.
 */
import { z } from 'zod'
import type { Directory, DirectoryPlace, Options } from './directory.ts'
import { checkRecord, isRecordName, maxListingBytes, maxRecordBytes, maxRecords } from './names.ts'
import type { Roster, RosterListing, RosterRecord } from './port.ts'

const cursorSchema = z.object({ service: z.string(), usn: z.string().regex(/^\d{1,20}$/) })

export class ActiveDirectoryRoster implements Roster {
  readonly locator: string
  readonly #where: string
  readonly #directory: Directory

  constructor({ locator, container }: Pick<DirectoryPlace, 'locator' | 'container'>, directory: Directory) {
    this.locator = locator
    this.#where = container === undefined ? 'the objects of the computers' : `the container ${container}`
    this.#directory = directory
  }

  async prepare(options: Options = {}): Promise<void> {
    await this.#directory.prepare(options)
  }

  async about(options: Options = {}): Promise<string> {
    const { service } = await this.#directory.state(options)
    return `${this.#where}, as the controller ${/^CN=NTDS Settings,CN=([^,]+)/.exec(service)?.[1] ?? service} has it`
  }

  async list(cursor?: string, options: Options = {}): Promise<RosterListing> {
    const state = await this.#directory.state(options)
    const from = sinceOf(cursor, state.service)
    const found = await this.#directory.search(from, maxRecords, options)
    const records: RosterRecord[] = []
    let bytes = 0
    for (const { name, text } of found) {
      const length = Buffer.byteLength(text)
      if (!isRecordName(name) || length === 0 || length > maxRecordBytes || bytes + length > maxListingBytes) continue
      bytes += length
      records.push({ name, text })
    }
    return { records, cursor: JSON.stringify(state), ignored: found.length - records.length, whole: from === undefined }
  }

  async putOwn(name: string, text: string, options: Options = {}): Promise<void> {
    checkRecord(name, text)
    options.signal?.throwIfAborted()
    if (await this.#directory.replace({ name, text }, options)) return
    if (await this.#directory.add({ name, text }, options) === 'exists') await this.#directory.replace({ name, text }, options)
  }

  async createOnce(name: string, text: string, options: Options = {}): Promise<'created' | 'exists'> {
    checkRecord(name, text)
    options.signal?.throwIfAborted()
    return await this.#directory.add({ name, text }, options)
  }

  async remove(name: string, options: Options = {}): Promise<void> {
    checkRecord(name)
    await this.#directory.remove(name, options)
  }
}

/** Undefined when the listing has to be whole: no cursor, one of another kind, or one of another controller. */
function sinceOf(cursor: string | undefined, service: string): string | undefined {
  if (cursor === undefined) return undefined
  try {
    const known = cursorSchema.parse(JSON.parse(cursor))
    return known.service === service ? known.usn : undefined
  } catch {
    return undefined
  }
}
