/** The membership of a home and its file: opens it with the roster down, saves what changed, one save at a time. */
import type { NetworkId } from '../../../shared/ids.ts'
import { Membership, type MembershipOptions } from './membership.ts'
import { readStateFile, writeStateFile } from './state-file.ts'

export class MembershipStore implements AsyncDisposable {
  readonly membership: Membership
  readonly #path: string
  #saved: number
  #saving: Promise<void> = Promise.resolve()

  private constructor(path: string, membership: Membership) {
    this.#path = path
    this.membership = membership
    this.#saved = membership.revision
  }

  /**
   * Takes up the state at `path`. A damaged file is set aside (`damaged` is its new name) and the state begins anew, to be
   * filled from roster and peers. Throws `invalid-config` when the file is of another machine or network.
   */
  static async open(path: string, options: MembershipOptions): Promise<{ store: MembershipStore; damaged: string | undefined }> {
    const reading = await readStateFile(path)
    const membership = 'state' in reading ? await Membership.restore(reading.state, options) : new Membership(options)
    return { store: new MembershipStore(path, membership), damaged: 'damaged' in reading ? reading.damaged : undefined }
  }

  /** The network that the state at `path` is of; undefined when there is no readable state. */
  static async networkAt(path: string): Promise<NetworkId | undefined> {
    const reading = await readStateFile(path)
    return 'state' in reading ? reading.state.net : undefined
  }

  /** A membership made in memory (by create, join or recover) gets its file. */
  static async create(path: string, membership: Membership): Promise<MembershipStore> {
    const store = new MembershipStore(path, membership)
    await store.save()
    return store
  }

  /** Resolves when the state as it is now, or a later one, is on disk. */
  async save(): Promise<void> {
    const write = async (): Promise<void> => {
      const revision = this.membership.revision
      await writeStateFile(this.#path, this.membership.toState())
      this.#saved = revision
    }
    this.#saving = this.#saving.then(write, write)
    await this.#saving
  }

  async saveIfChanged(): Promise<void> {
    if (this.membership.revision !== this.#saved) await this.save()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.save()
  }
}
