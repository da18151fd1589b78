/** A small file of the home that is read whole and written whole. */
import { readFileIfThere, writePrivateFile } from '../home.ts'

export interface KeptText {
  readonly read: () => string | undefined
  readonly write: (text: string) => void
}

export function keptText(path: string): KeptText {
  return { read: () => readFileIfThere(path), write: (text) => { writePrivateFile(path, text) } }
}
