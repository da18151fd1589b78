/** The groups that this machine began to found and did not enter, in `founding.json`, oldest first. No secrets are in it. */
import { z } from 'zod'
import { type Home, readFileIfThere, removeFile, writePrivateFile } from '../home.ts'
import { parseKept } from '../kept-text.ts'
import type { FoundingAttempts } from '../network/founding.ts'
import { maxRecordBytes } from '../network/roster/names.ts'

const maxAttempts = 32
const fileSchema = z.object({ v: z.literal(1), records: z.array(z.string().max(maxRecordBytes)).max(maxAttempts) })

/** A file that cannot be read counts as none: then the place has to be emptied by hand. */
export function foundingAttempts({ founding }: Home): FoundingAttempts {
  const records = (): string[] => parseKept(readFileIfThere(founding), fileSchema)?.records ?? []
  return {
    records,
    add: (jws) => { writePrivateFile(founding, JSON.stringify({ v: 1, records: [...records(), jws].slice(-maxAttempts) })) },
    clear: () => { removeFile(founding) },
  }
}
