/**
 * The user's own store of roots on Windows, which Edge, Chrome, WebView2 (so Outlook too) and, with its default settings,
 * Firefox read: through certutil.exe of Windows. Windows asks the person before it takes a root in; no administrator is
 * needed (https://learn.microsoft.com/windows-server/administration/windows-commands/certutil).
 */
import { temporaryFile } from './temporary-file.ts'
import type { RunTool } from '../run-tool.ts'
import { TrustFault, type TrustStore, sha1Of } from './port.ts'

export class WindowsStore implements TrustStore {
  readonly name = 'Windows, for this user (Edge, Chrome, Outlook, Firefox)'
  readonly #run: RunTool

  constructor(run: RunTool) {
    this.#run = run
  }

  async has(pem: string): Promise<boolean> {
    return (await this.#run('certutil.exe', ['-user', '-store', 'Root', sha1Of(pem)])).code === 0
  }

  async add(pem: string): Promise<void> {
    if (await this.has(pem)) return
    await using file = await temporaryFile(pem)
    await this.#demand(['-user', '-f', '-addstore', 'Root', file.path], 'Run it again and answer Yes when Windows asks whether to install the certificate: it can vouch for this computer\'s own pages and for nothing else')
  }

  async remove(pem: string): Promise<void> {
    if (await this.has(pem)) await this.#demand(['-user', '-delstore', 'Root', sha1Of(pem)], 'Run it again and answer Yes when Windows asks whether to delete the certificate')
  }

  async #demand(args: readonly string[], guidance: string): Promise<void> {
    const { code, stdout, stderr } = await this.#run('certutil.exe', args)
    if (code !== 0) throw new TrustFault(`certutil.exe said: ${(stderr.trim() || stdout.trim()).split('\n').at(-1) ?? code}`, guidance)
  }
}
