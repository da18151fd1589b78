/** A certificate as a file, for tools that read nothing else; gone when it goes out of scope. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export async function temporaryFile(text: string): Promise<AsyncDisposable & { readonly path: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-certificate-'))
  const path = join(folder, 'holdfast.crt')
  await writeFile(path, text, { mode: 0o600 })
  return { path, [Symbol.asyncDispose]: async () => { await rm(folder, { recursive: true, force: true }) } }
}
