/**
 * The login keychain of macOS, which Safari, Chrome, Edge and Outlook read: through `security`. macOS asks the person for
 * the password of the log-in (man security, add-trusted-cert).
 */
import { join } from 'node:path'
import { temporaryFile } from './temporary-file.ts'
import type { RunTool } from '../run-tool.ts'
import { TrustFault, type TrustStore, commonNameOf, sha1Of } from './port.ts'

export class KeychainStore implements TrustStore {
  readonly name = 'macOS login keychain (Safari, Chrome, Edge, Outlook)'
  readonly #run: RunTool
  readonly #keychain: string

  constructor(home: string, run: RunTool) {
    this.#run = run
    this.#keychain = join(home, 'Library', 'Keychains', 'login.keychain-db')
  }

  /** In the keychain, and believed for servers: `verify-cert` fails for what is merely there. */
  async has(pem: string): Promise<boolean> {
    const found = await this.#run('security', ['find-certificate', '-a', '-Z', '-c', commonNameOf(pem), this.#keychain])
    if (found.code !== 0 || !found.stdout.toUpperCase().includes(sha1Of(pem))) return false
    await using file = await temporaryFile(pem)
    return (await this.#run('security', ['verify-cert', '-c', file.path, '-k', this.#keychain, '-p', 'ssl', '-l'])).code === 0
  }

  async add(pem: string): Promise<void> {
    if (await this.has(pem)) return
    await using file = await temporaryFile(pem)
    await this.#demand(['add-trusted-cert', '-r', 'trustRoot', '-p', 'ssl', '-k', this.#keychain, file.path])
  }

  async remove(pem: string): Promise<void> {
    if (!(await this.has(pem))) return
    await using file = await temporaryFile(pem)
    await this.#demand(['remove-trusted-cert', file.path])
    await this.#demand(['delete-certificate', '-Z', sha1Of(pem), this.#keychain])
  }

  async #demand(args: readonly string[]): Promise<void> {
    const { code, stderr } = await this.#run('security', args)
    if (code !== 0) throw new TrustFault(`security said: ${stderr.trim() || code}`, 'Run it again in a terminal of the person\'s own session, and give the password of the log-in when macOS asks')
  }
}
