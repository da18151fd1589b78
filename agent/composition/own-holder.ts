/** What this machine keeps for others: its folder is open as long as the agent runs, but for the moment in which it is put aside. */
import { type FolderOptions, FolderShardStore } from '../network/shard-store/folder.ts'

export class OwnHolder implements AsyncDisposable {
  readonly #options: FolderOptions
  #store: FolderShardStore

  static async open(options: FolderOptions): Promise<OwnHolder> {
    return new OwnHolder(options, await FolderShardStore.open(options))
  }

  private constructor(options: FolderOptions, store: FolderShardStore) {
    this.#options = options
    this.#store = store
  }

  /** Another one after whileClosed(): not to be kept. */
  get store(): FolderShardStore {
    return this.#store
  }

  /** Does `work` while nothing of the folder is open; when that moved it away the store is empty afterwards. */
  async whileClosed<T>(work: () => T): Promise<T> {
    await this.#store[Symbol.asyncDispose]()
    try {
      return work()
    } finally {
      this.#store = await FolderShardStore.open(this.#options)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]()
  }
}
