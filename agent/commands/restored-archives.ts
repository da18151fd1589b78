/** Which Outlook archives this agent restored: the only files that it asks Outlook to open. Kept in the home, the newest few. */
import { realpathSync } from 'node:fs'
import { z } from 'zod'
import { type KeptText, parseKept } from '../kept-text.ts'

const most = 200
const fileSchema = z.object({ v: z.literal(1), paths: z.array(z.string()).max(most) })

export class RestoredArchives {
  readonly #file: KeptText
  readonly #report: (error: unknown) => void

  /** `report`: the file could not be written; of these archives Outlook is not asked. */
  constructor(file: KeptText, report: (error: unknown) => void) {
    this.#file = file
    this.#report = report
  }

  /** Newest first, absolute and without links. A damaged file counts as none. */
  paths(): string[] {
    return parseKept(this.#file.read(), fileSchema)?.paths ?? []
  }

  /** Of all that a restore wrote, the archives. Never throws: the restore is complete, also when the home has no room for this. */
  add(written: readonly string[]): void {
    const archives = written.filter((path) => /\.pst$/i.test(path)).map((path) => wholePath(path)).filter((path) => path !== undefined)
    if (archives.length === 0) return
    try {
      this.#file.write(JSON.stringify({ v: 1, paths: [...new Set([...archives.toReversed(), ...this.paths()])].slice(0, most) }))
    } catch (error) {
      this.#report(error)
    }
  }

  /** The file that the path names, when it is one of them: no link leads there, and no way around. */
  find(path: string): string | undefined {
    const whole = wholePath(path)
    return whole !== undefined && this.paths().includes(whole) ? whole : undefined
  }
}

/** Undefined when there is nothing. */
function wholePath(path: string): string | undefined {
  try {
    return realpathSync.native(path)
  } catch {
    return undefined
  }
}
