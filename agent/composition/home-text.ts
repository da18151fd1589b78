import { readFileIfThere, writePrivateFile } from '../home.ts'
import type { KeptText } from '../kept-text.ts'

/** The file at `path`, for its owner alone. */
export function keptText(path: string): KeptText {
  return { read: () => readFileIfThere(path), write: (text) => { writePrivateFile(path, text) } }
}
