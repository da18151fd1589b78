/**
 * Databases of NSS, which Chromium and Firefox on Linux read: through `certutil` of Mozilla's tools
 * (https://firefox-source-docs.mozilla.org/security/nss/legacy/tools/certutil/).
 */
import { existsSync, globSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { temporaryFile } from './temporary-file.ts'
import type { RunTool } from '../run-tool.ts'
import { TrustFault, type TrustStore, commonNameOf } from './port.ts'

const firefoxHomes = ['.mozilla/firefox', 'snap/firefox/common/.mozilla/firefox', '.var/app/org.mozilla.firefox/.mozilla/firefox']
const chromiumFolders = ['snap/chromium/current/.pki/nssdb', '.var/app/org.chromium.Chromium/.pki/nssdb']
/** Trusted to name servers, for nothing else. */
const trust = 'C,,'

/** Of Chromium and its kin always, of Firefox for each profile there is. */
export function nssStores(home: string, run: RunTool): TrustStore[] {
  const profiles = firefoxHomes.flatMap((folder) => globSync(join(home, folder, '*', 'cert9.db')).map((path) => dirname(path)))
  return [
    new NssStore(`Chromium, Chrome and Edge (${join(home, '.pki', 'nssdb')})`, join(home, '.pki', 'nssdb'), run),
    ...chromiumFolders.map((folder) => join(home, folder)).filter((folder) => existsSync(folder)).map((folder) => new NssStore(`Chromium (${folder})`, folder, run)),
    ...profiles.sort().map((folder) => new NssStore(`Firefox (${folder})`, folder, run)),
  ]
}

class NssStore implements TrustStore {
  readonly name: string
  readonly #folder: string
  readonly #run: RunTool

  constructor(name: string, folder: string, run: RunTool) {
    this.name = name
    this.#folder = folder
    this.#run = run
  }

  async has(pem: string): Promise<boolean> {
    if (!existsSync(join(this.#folder, 'cert9.db'))) return false
    const { code, stdout } = await this.#certutil('-L', '-n', commonNameOf(pem), '-a')
    return code === 0 && plain(stdout) === plain(pem)
  }

  async add(pem: string): Promise<void> {
    if (!existsSync(join(this.#folder, 'cert9.db'))) {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
      await this.#demand('-N', '--empty-password')
    }
    if (await this.has(pem)) return
    await using file = await temporaryFile(pem)
    await this.#demand('-A', '-n', commonNameOf(pem), '-t', trust, '-a', '-i', file.path)
  }

  async remove(pem: string): Promise<void> {
    if (await this.has(pem)) await this.#demand('-D', '-n', commonNameOf(pem))
  }

  async #certutil(...args: readonly string[]) {
    return await this.#run('certutil', [...args, '-d', `sql:${this.#folder}`])
  }

  async #demand(...args: readonly string[]): Promise<void> {
    const { code, stderr } = await this.#certutil(...args)
    if (code === 127) throw new TrustFault('certutil is not installed', 'Install it (Debian and Ubuntu: apt install libnss3-tools; Fedora: dnf install nss-tools), then holdfast doctor --fix again')
    if (code !== 0) throw new TrustFault(`certutil said: ${stderr.trim()}`, 'Close the browser and try again')
  }
}

function plain(pem: string): string {
  return pem.replaceAll(/\s/gu, '')
}
