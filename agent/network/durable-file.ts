/** Small files that are either old or new after a crash, and folders whose entries outlive one. */
import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Temporary name, fsync, rename, fsync of the folder. */
export async function writeDurably(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`
  const file = await open(temporary, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  await syncFolder(dirname(path))
}

/** Makes renames in the folder durable. Windows has no such call; NTFS journals renames. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** One fsync of the folder serves all that asked for it before it began. */
export class FolderSync {
  readonly #path: string
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined

  constructor(path: string) {
    this.#path = path
  }

  async sync(): Promise<void> {
    if (this.#running === undefined) return await this.#start()
    this.#next ??= this.#running.catch(() => undefined).then(async () => await this.#start())
    await this.#next
  }

  async #start(): Promise<void> {
    this.#next = undefined
    this.#running = syncFolder(this.#path)
    try {
      await this.#running
    } finally {
      this.#running = undefined
    }
  }
}
