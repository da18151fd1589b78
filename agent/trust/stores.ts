/** The stores that the browsers of this machine read. */
import { type RunTool, runTool } from '../run-tool.ts'
import type { TrustStore } from './port.ts'
import { KeychainStore } from './macos.ts'
import { nssStores } from './nss.ts'
import { WindowsStore } from './windows.ts'

/** `home`: the person's home directory. */
export function trustStores(platform: NodeJS.Platform, home: string, run: RunTool = runTool): TrustStore[] {
  if (platform === 'win32') return [new WindowsStore(run)]
  return platform === 'darwin' ? [new KeychainStore(home, run)] : nssStores(home, run)
}
