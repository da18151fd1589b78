/** What a person types and nobody else may see: from the terminal without echo, else everything on stdin. */
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { HoldfastError } from '../../shared/errors.ts'

/** `echo` for what is long and typed from paper. */
export async function readSecret(prompt: string, { signal, echo = false }: { signal: AbortSignal; echo?: boolean }): Promise<string> {
  if (!process.stdin.isTTY) return await readAll()
  const silent = new Writable({ write: (_part, _encoding, done) => { done() } })
  const lines = createInterface({ input: process.stdin, output: echo ? process.stderr : silent, terminal: true })
  try {
    if (!echo) process.stderr.write(prompt)
    return await lines.question(echo ? prompt : '', { signal })
  } finally {
    lines.close()
    if (!echo) process.stderr.write('\n')
  }
}

async function readAll(): Promise<string> {
  let text = ''
  for await (const part of process.stdin) text += String(part)
  return text.trimEnd()
}

/** Of the recovery kit. Throws `recovery-words-invalid` when none come. */
export async function readWords(signal: AbortSignal): Promise<string> {
  const words = await readSecret('The 24 words of the recovery kit: ', { signal, echo: true })
  if (words.trim() !== '') return words
  throw new HoldfastError('recovery-words-invalid', 'Cannot use the recovery words: none were given', { guidance: 'Type them where they are asked for; a script gives them on stdin.' })
}
