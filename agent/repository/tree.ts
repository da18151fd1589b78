/** Entries of folders (docs/format.md section 6): the text of a folder, and names that may not be. */
import { z } from 'zod'
import { HoldfastError } from '../../shared/errors.ts'
import { contentSchema } from './content.ts'
import { damaged } from './seal.ts'

const common = {
  name: z.string(), mode: z.int().min(0).max(0o7777), mtime: z.string().regex(/^-?\d{1,20}$/),
}
const fileSchema = z.object({
  ...common, type: z.literal('file'), size: z.int().min(0), content: contentSchema, identity: z.string().max(1024).optional(),
})
const directorySchema = z.object({ ...common, type: z.literal('directory'), content: contentSchema })
const symlinkSchema = z.object({ ...common, type: z.literal('symlink'), target: z.string() })
export const entrySchema = z.discriminatedUnion('type', [fileSchema, directorySchema, symlinkSchema])
const folderSchema = z.object({ v: z.literal(1), entries: z.array(entrySchema) })

/**
 * `mtime`: decimal nanoseconds since 1970. `identity` is by what the machine that wrote the entry knows the file again
 * as unchanged; opaque here, absent when it must not be trusted.
 */
export type FileEntry = z.infer<typeof fileSchema>
export type DirectoryEntry = z.infer<typeof directorySchema>
export type SymlinkEntry = z.infer<typeof symlinkSchema>
export type Entry = FileEntry | DirectoryEntry | SymlinkEntry

/** Entries are put in order here. Throws `path-unsafe` for a name that a reader would refuse, RangeError for a double. */
export function encodeFolder(entries: readonly Entry[]): Buffer {
  const sorted = [...entries].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  for (const [i, entry] of sorted.entries()) {
    assertName(entry.name)
    if (i > 0 && sorted[i - 1]?.name === entry.name) throw new RangeError('Cannot write a folder: two entries of one name')
  }
  return Buffer.from(JSON.stringify({ v: 1, entries: sorted }))
}

/** Throws `object-damaged`, `format-unknown`, or `path-unsafe` for a name that leads elsewhere. */
export function decodeFolder(text: Uint8Array): Entry[] {
  const { entries } = parseDocument(folderSchema, text, 'folder')
  for (const [i, entry] of entries.entries()) {
    assertName(entry.name)
    const previous = entries[i - 1]
    if (previous !== undefined && previous.name >= entry.name) throw damaged('the entries of a folder are not in order')
    if (entry.type === 'file' && entry.size !== entry.content.size) throw damaged('a file has two sizes')
  }
  return entries
}

export function assertName(name: string): void {
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
    throw new HoldfastError('path-unsafe', 'Cannot take an entry: its name is no single component', { details: { name } })
  }
}

/** Parses a versioned JSON document of ours. Throws `format-unknown` for another version, else `object-damaged`. */
export function parseDocument<T>(schema: z.ZodType<T>, text: Uint8Array, what: string): T {
  let document: unknown
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text))
  } catch (cause) {
    throw damaged(`a ${what} is not JSON`, cause)
  }
  const parsed = schema.safeParse(document)
  if (parsed.success) return parsed.data
  const version = z.object({ v: z.number() }).safeParse(document)
  if (version.success && version.data.v !== 1) throw new HoldfastError('format-unknown', `Cannot read a ${what}: version ${version.data.v}`)
  throw damaged(`a ${what} has another shape`, parsed.error)
}
